/**
 * The one list of devices that answer on a bus by themselves. Adding one is its module and one line here; nothing else
 * names one. Those that every machine has are in platform_registry.ts. Virtio devices are in registry.ts: a vCPU's
 * Worker needs none of them.
 *
 * @module
 */
import type { AttachContext, AttachedDevice, DeviceModule, DeviceSpec } from "./device.ts";
import { pciHost } from "./pci/mod.ts";
import { platformModules } from "./platform_registry.ts";
import { userBus } from "./user/bus_device.ts";
import { virtioMmio } from "./virtio/transport/mmio.ts";

/** Every kind of device that answers on a bus by itself. */
const modules: readonly DeviceModule<never, DeviceSpec>[] = [
  ...platformModules,
  virtioMmio,
  pciHost,
  userBus,
];

const byKind = new Map(modules.map((module) => [module.kind, module]));

/** The kinds of all devices, in the registry's order. */
export const deviceKinds: readonly string[] = modules.map((module) => module.kind);

/** A spec names a kind of device that this denovisor does not have. */
export class UnknownDeviceError extends Error {
  override name = "UnknownDeviceError";

  constructor(readonly kind: string, kinds: readonly string[] = deviceKinds) {
    super(`there is no device "${kind}"; there are: ${kinds.join(", ")}`);
  }
}

/**
 * The module of a kind: what attaches, saves and restores a spec that some module made.
 *
 * @throws {UnknownDeviceError} If there is no such kind.
 */
export function deviceModule(kind: string): DeviceModule<never, DeviceSpec> {
  const module = byKind.get(kind);
  if (module === undefined) throw new UnknownDeviceError(kind);
  return module;
}

/**
 * Makes a device's registers in this isolate, whatever its kind.
 *
 * @throws {UnknownDeviceError} If there is no such kind.
 */
export function attachDevice(spec: DeviceSpec, context: AttachContext): AttachedDevice {
  return deviceModule(spec.kind).attach(spec, context);
}

/**
 * The one list of devices. Adding a device is its module and one line here; nothing else names one.
 *
 * @module
 */

import type { DeviceOptions, ValuesOf } from "./options.ts";
import { balloon } from "./virtio/balloon/mod.ts";
import { block } from "./virtio/block/mod.ts";
import { console } from "./virtio/console/mod.ts";
import { entropy } from "./virtio/entropy/mod.ts";
import type { VirtioModule } from "./virtio/module.ts";
import { net } from "./virtio/net/mod.ts";
import { virtioMmio } from "./virtio/transport/mmio.ts";
import { vsock } from "./virtio/vsock/mod.ts";
import type { AttachContext, AttachedDevice, DeviceModule, DeviceSpec } from "./device.ts";
import { pciHost } from "./pci/mod.ts";
import { userBus } from "./user/bus_device.ts";
import type { UserModules } from "./user/modules.ts";
import { acpiPm, debugExit, i8042, port92, postCode, rtc, serial } from "./legacy/mod.ts";

/** Every kind of virtio device that there is, in the order in which machines plug them in. */
const virtio = [
  block,
  net,
  vsock,
  console,
  entropy,
  balloon,
] as const satisfies readonly VirtioModule[];

/** Every kind of device that answers on a bus by itself. */
const modules: readonly DeviceModule<never, DeviceSpec>[] = [
  serial,
  i8042,
  rtc,
  debugExit,
  postCode,
  acpiPm,
  port92,
  virtioMmio,
  pciHost,
  userBus,
];

const byKind = new Map(modules.map((module) => [module.kind, module]));

/** The kinds of all devices, in the registry's order. */
export const deviceKinds: readonly string[] = modules.map((module) => module.kind);

/** The virtio devices that users can ask for, each with its table of properties. */
export const virtioModules: readonly VirtioModule[] = virtio;

/** What a user may write for one device: text as on the command line, or its properties. */
export type DeviceText<O extends DeviceOptions> =
  | string
  | ({ readonly [K in keyof ValuesOf<O>]?: ValuesOf<O>[K] | string } & {
    readonly id?: string;
    readonly thread?: "shared" | "own";
    readonly packed?: boolean;
  });

/** The fields of a machine's configuration that ask for devices. */
export type DeviceFields = {
  readonly [M in typeof virtio[number] as M["options"]["field"]]?:
    M["options"]["multiplicity"] extends "one" ? DeviceText<M["options"]> | boolean
      : readonly DeviceText<M["options"]>[];
};

/**
 * The module of a kind of virtio device.
 *
 * @param userModules where a user's own kinds are, which are called by the URLs of their modules
 * @throws {UnknownDeviceError} If there is no such kind.
 */
export function virtioModule(kind: string, userModules?: UserModules): VirtioModule {
  const module = virtioModules.find((module) => module.kind === kind) ?? userModules?.virtio(kind);
  if (module === undefined) throw new UnknownDeviceError(kind, virtioModules.map((m) => m.kind));
  return module;
}

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

/**
 * The virtio devices of a machine, from their configuration to what is plugged in: each is made by its module and
 * given eventfds, interrupts and a place on the transport that was asked for.
 * @module
 */
import { architecture, type PluggedDevices } from "../arch/mod.ts";
import { EventFd } from "../ffi/mod.ts";
import type { Vm } from "../kvm/mod.ts";
import {
  bit,
  type ConsolePort,
  createVirtioPci,
  type DeviceSpec,
  MAX_PCI_FUNCTIONS,
  Metrics,
  mmioDoorbells,
  pciDeviceNumber,
  pciHost,
  QUEUE_FEATURES,
  type RunnerSpec,
  type UserModules,
  VIRTIO_F_RING_PACKED,
  type VirtioDescription,
  virtioMmio,
  virtioModule,
  VirtioShared,
  type VirtioSlot,
} from "../../devices/mod.ts";
import { ConfigError } from "./config_error.ts";
import type { DeviceConfig } from "./device_config.ts";
import { noVirtioDevices } from "./no_virtio.ts";
import type { CheckedConfig } from "./schema.ts";
import { Wiring, type WiringSpec } from "./wiring.ts";

/** A device for the I/O isolates. */
export interface ServedDevice {
  readonly config: DeviceConfig;
  readonly runner: RunnerSpec;
}

/** What was plugged in. */
export interface VirtioDevices {
  /** What answers on the buses. */
  readonly specs: readonly DeviceSpec[];
  readonly served: readonly ServedDevice[];
  readonly wiring: WiringSpec;
  /** For the firmware's tables. */
  readonly plugged: PluggedDevices;
  /** What a Linux kernel has to be told of them on its command line. */
  readonly parameters: string;
  /** The console that one of them carries. */
  readonly console: ConsolePort | undefined;
}

/** A device that was made, before it has a place. */
interface Made {
  readonly config: DeviceConfig;
  readonly description: VirtioDescription;
}

/**
 * Makes the virtio devices of a machine and plugs them in.
 *
 * @param stack takes over what has to be given back
 * @param userModules where the user's own are
 * @throws {ConfigError} more devices than the transport has places for
 * @throws {DeviceError} a device that can't be made as its user wants it
 */
export function createVirtioDevices(
  vm: Vm,
  config: CheckedConfig,
  stack: AsyncDisposableStack,
  userModules?: UserModules,
): VirtioDevices {
  if (config.devices.length === 0) return noVirtioDevices();
  let console: ConsolePort | undefined;
  const made = config.devices.map((device): Made => {
    const module = virtioModule(device.kind, userModules);
    const description = module.create(device.input as never, {
      id: device.id,
      cpus: config.cpus,
      memorySize: config.memory,
      own: (resource) => stack.use(resource),
    });
    if (config.console === "virtio") console ??= module.console?.(description);
    return { config: device, description };
  });
  const plug = config.transport === "pci" ? plugPci : plugMmio;
  return { ...plug(vm, made, stack, config), console };
}

type Plugged = Omit<VirtioDevices, "console">;

/** What both transports give a device: its shared state and its eventfds. */
function slotOf(
  { config, description }: Made,
  vectors: number,
  interrupts: VirtioSlot["interrupts"],
  stack: AsyncDisposableStack,
): VirtioSlot {
  const { id, packed } = config;
  const { deviceType, features, queueSizes, writableConfig = [] } = description;
  const shape = { queueSizes, vectors, configSize: description.config.length };
  const queueFeatures = packed ? QUEUE_FEATURES : QUEUE_FEATURES & ~bit(VIRTIO_F_RING_PACKED);
  const event = (what: string) => stack.use(new EventFd(`${what} of ${id}`)).raw;
  return {
    id,
    deviceType,
    features: features | queueFeatures,
    writableConfig,
    shared: VirtioShared.allocate(shape, description.config),
    kicks: queueSizes.map((_, index) => event(`queue ${index}`)),
    control: event("control"),
    interrupts,
  };
}

function served(made: Made, slot: VirtioSlot): ServedDevice {
  const { config, description } = made;
  const metrics = Metrics.allocate(description.metrics);
  return { config, runner: { slot, description, metrics } };
}

function plugMmio(
  vm: Vm,
  made: readonly Made[],
  stack: AsyncDisposableStack,
  config: CheckedConfig,
): Plugged {
  const places = architecture.virtioMmioPlaces.slice(0, made.length);
  if (places.length < made.length) {
    throw new ConfigError([
      `transport: mmio has room for ${places.length} devices, and there are ${made.length}; use pci`,
    ]);
  }
  const all = made.map((device, index) => {
    const { gsi, base } = places[index];
    const line = stack.use(new EventFd(`interrupt of ${device.config.id}`)).raw;
    vm.irqfd(line, gsi);
    const slot = slotOf(device, 0, { kind: "line", fd: line }, stack);
    const spec = virtioMmio.create({ slot, base });
    return { spec, served: served(device, slot) };
  });
  for (const { spec } of all) {
    for (const { eventfd, ...target } of mmioDoorbells(spec)) vm.ioeventfd(eventfd, target);
  }
  const byParameters = config.transport === "mmio-cmdline";
  return {
    specs: all.map(({ spec }) => spec),
    served: all.map(({ served }) => served),
    wiring: Wiring.allocate(0, 0, []),
    plugged: { virtioMmio: byParameters ? [] : places, pci: false },
    parameters: byParameters ? architecture.virtioMmioParameters(places) : "",
  };
}

function plugPci(
  vm: Vm,
  made: readonly Made[],
  stack: AsyncDisposableStack,
): Plugged {
  if (made.length > MAX_PCI_FUNCTIONS) {
    throw new ConfigError([
      `transport: the PCI bus has room for ${MAX_PCI_FUNCTIONS} devices, and there are ${made.length}`,
    ]);
  }
  const { firstMessageGsi, pinGsi, ecam, configPort, window, messages } = architecture.pci;
  let nextGsi = firstMessageGsi;
  const all = made.map((device, index) => {
    const { id } = device.config;
    const event = (what: string) => stack.use(new EventFd(`${what} of ${id}`)).raw;
    // One vector for changes of the configuration, and one for each queue.
    const vectors = Array.from(
      { length: device.description.queueSizes.length + 1 },
      (_, vector) => {
        const fd = event(`vector ${vector}`);
        const gsi = nextGsi++;
        vm.irqfd(fd, gsi);
        return { fd, gsi };
      },
    );
    const pin = { fd: event("interrupt pin"), resampleFd: event("end of interrupt") };
    const gsi = pinGsi(pciDeviceNumber(index));
    vm.irqfd(pin.fd, gsi, pin.resampleFd);
    const slot = slotOf(device, vectors.length, { kind: "msix", vectors, pin }, stack);
    return { function: createVirtioPci(slot, gsi), served: served(device, slot) };
  });
  const bus = { ecam, configPort, window, messages, functions: all.map((one) => one.function) };
  return {
    specs: [pciHost.create(bus)],
    served: all.map(({ served }) => served),
    wiring: Wiring.allocate(nextGsi - firstMessageGsi, firstMessageGsi, architecture.fixedRoutes),
    plugged: { virtioMmio: [], pci: true },
    parameters: "",
  };
}

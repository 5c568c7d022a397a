/**
 * What every device of denovisor is made of, so that nothing outside its folder has to name it.
 *
 * A device is a spec and a module. The spec is what describes one device of a machine: it can be
 * structured-cloned, so it is posted to each Worker, and it holds the SharedArrayBuffers with the
 * device's state and the numbers of its file descriptors. The module makes the spec once, in the
 * main isolate, and makes registers out of it in any isolate.
 *
 * To add a device: write its module (one file or one folder) and add one line to `bus_registry.ts`.
 *
 * @module
 */

import type { BusDevice, DeviceLock, IrqLine } from "../src/bus/mod.ts";
import type { GuestMemory } from "../src/memory/mod.ts";
import type { DeviceState } from "./state.ts";
import type { UserModules } from "./user/modules.ts";

/** The part of a spec that every device has. The whole of a spec can be structured-cloned. */
export interface DeviceSpec {
  /** The kind of the module that made it, and that understands the rest of it. */
  readonly kind: string;
}

/** What a guest may ask of its machine through a device. A request is noted, not carried out in the call. */
export interface MachineRequests {
  /** The guest ends its run with this status, 0 to 255. */
  exit(status: number): void;
  /** The guest resets its machine; `source` says through which device, for messages. */
  reset(source: string): void;
  /** The guest switches its machine off; `source` says through which device, for messages. */
  powerOff(source: string): void;
}

/** An address whose writes signal an eventfd instead of leaving the guest (KVM_IOEVENTFD). */
export interface Doorbell {
  readonly eventfd: number;
  /** The guest physical address. */
  readonly address: number;
  /** The width of the write in bytes; 0 for any. */
  readonly length: 0 | 2 | 4;
  /** The value that must be written; any when left out. */
  readonly datamatch?: number;
}

/** What a device changes about its machine's wiring while the guest runs. */
export interface MachineWiring {
  /** From now on the doorbell signals its eventfd. */
  bindDoorbell(doorbell: Doorbell): void;
  /** Writes to the doorbell's address reach the bus again. */
  unbindDoorbell(doorbell: Doorbell): void;
  /** A signal of the irqfd that is bound to `gsi` becomes this message (PCI 3.0, 6.8). */
  routeMsi(gsi: number, addressHigh: number, addressLow: number, data: number): void;
}

/** What an isolate lends to the devices that are attached in it. */
export interface AttachContext {
  /** The machine's memory, for a device that reads or writes it. */
  readonly memory: GuestMemory;
  /** The interrupt line behind an irqfd. */
  irq(fd: number): IrqLine;
  /** Where the guest's wishes go. */
  readonly requests: MachineRequests;
  /** The parts of the machine's wiring that the guest may change. */
  readonly wiring: MachineWiring;
  /**
   * Whether the machine wants this isolate's vCPU to leave what it does. A device that waits for
   * the host inside a register access asks at least every 100 ms and gives up when it is true.
   */
  interrupted(): boolean;
  /** The modules of the user's own devices that this isolate has imported; left out where a machine has none. */
  readonly userModules?: UserModules;
}

/** One range of addresses at which an attached device answers. */
export interface DeviceRange {
  /** Port I/O or memory-mapped I/O. */
  readonly space: "pio" | "mmio";
  /** The first address. */
  readonly base: number;
  /** The number of addresses. */
  readonly size: number;
  /** What answers; offsets count from `base`. */
  readonly device: BusDevice;
}

/** A device in one isolate: what has to be put on the buses there. */
export interface AttachedDevice {
  readonly ranges: readonly DeviceRange[];
  /**
   * The lock that the bus holds around every call of every range. A machine with one vCPU spares it where
   * nobody else touches the device's state while that vCPU runs: where the module has no `console`.
   */
  readonly lock: DeviceLock;
}

/** The host's end of a device that carries a console; lives in the main isolate. */
export interface ConsolePort {
  /**
   * Sends bytes to the guest, after those of earlier calls.
   *
   * Resolves when all of them are on their way: at once, unless the guest has to read some first.
   * Resolves also when the port is closed; the guest then gets no more of them.
   */
  send(bytes: Uint8Array): Promise<void>;
  /**
   * What the guest prints, in chunks as it comes; ends when the port is closed and all was read. A
   * guest that prints faster than this is read waits. One reader at a time.
   */
  output(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>;
  /** Tells the guest how large the terminal is; left out where the device has no way to. */
  resize?(columns: number, rows: number): void;
  /** Unplugs the console: what the guest prints from now on is dropped, and so is what is sent to it. */
  close(): void;
}

/**
 * Everything there is to know about one kind of device.
 *
 * `save` and `restore` are called while no vCPU runs; `restore` is given a spec that `create` made
 * of the same options.
 */
export interface DeviceModule<Options, Spec extends DeviceSpec> {
  /** The name of the kind, unique in the registry. */
  readonly kind: string;
  /**
   * Makes a device in the main isolate.
   *
   * @throws {RangeError} If an option is out of its bounds.
   */
  create(options: Options): Spec;
  /** Makes the device's registers in this isolate; all isolates share one state. */
  attach(spec: Spec, context: AttachContext): AttachedDevice;
  /** The host's end, if the device carries a console. One per device, in the main isolate. */
  console?(spec: Spec, context: Pick<AttachContext, "irq">): ConsolePort;
  /** The device's state by field name, with a version; can be written as JSON. */
  save(spec: Spec): DeviceState;
  /**
   * Puts saved state in place.
   *
   * @throws {DeviceStateError} If a field is missing, unknown or out of its bounds; the device is
   * then as it was.
   */
  restore(spec: Spec, state: DeviceState): void;
}

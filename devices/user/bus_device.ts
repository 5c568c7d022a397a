/**
 * A bus device that the user has written: registers at ports or at memory-mapped addresses, in a module of its own.
 *
 * It is attached in each vCPU's isolate, and an access of the guest is answered there. So what its vCPUs share is in
 * its state, a SharedArrayBuffer behind the device's lock, which the bus holds during a call. Variables of the module
 * are each isolate's own.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | offset, size and value of an access | the bus: wholly inside the device's range |
 * | what the user's code makes of them | a call that throws ends the machine with the user's stack |
 *
 * @module
 */
import type { AccessSize, BusDevice, IrqLine } from "../../src/bus/mod.ts";
import type { GuestMemory } from "../../src/memory/mod.ts";
import type {
  AttachContext,
  AttachedDevice,
  DeviceModule,
  DeviceSpec,
  MachineRequests,
} from "../device.ts";
import type { FieldValues, OptionFields } from "../options.ts";
import { StateLayout, StateReader } from "../state.ts";
import { stackOf, UserDeviceError } from "./errors.ts";
import { type NamedState, namedState, type StateFields } from "./state.ts";

const KIND = "user-bus";

/** Addresses that a device wants to answer at. */
export interface RangeRequest {
  /** Port I/O (`"pio"`) or memory-mapped I/O. */
  readonly space: "pio" | "mmio";
  /** The first address; where it is left out, the machine finds a place. */
  readonly base?: number;
  /** The number of addresses. */
  readonly size: number;
}

/** What a device's registers are made with, in each vCPU's isolate. */
export interface BusDeviceContext<Options, State> {
  /** The device's name in its machine. */
  readonly id: string;
  /** What its user has set. */
  readonly options: Options;
  /** What all isolates share; see {@linkcode BusDeviceDefinition.state}. */
  readonly state: State;
  /** The guest's memory. */
  readonly memory: GuestMemory;
  /** Its interrupt: an edge. It throws where the device has asked for none. */
  readonly irq: IrqLine;
  /** Ends, resets or powers off the machine. */
  readonly requests: MachineRequests;
  /** Whether the vCPU is wanted elsewhere: what waits in an access asks every 100 ms, and gives up. */
  interrupted(): boolean;
}

/** A bus device: the default export of a user's module. */
export interface BusDeviceDefinition<
  F extends OptionFields = OptionFields,
  R extends string = string,
  N extends string = never,
  B extends string = never,
> {
  /** What its user can set; nothing where left out. */
  readonly options?: F;
  /** Where it answers. */
  readonly ranges:
    | readonly RangeRequest[]
    | ((options: FieldValues<F>) => readonly RangeRequest[]);
  /** Whether it has an interrupt line of the machine's choice, or the number of the one that it has (its GSI). */
  readonly interrupt?: boolean | number;
  /**
   * The hardware id by which ACPI announces it, with its addresses and its interrupt: `ACME0001`, or one that kernels
   * know, such as `PNP0501`. Where it is left out, the guest has to know where it is.
   */
  readonly acpiId?: string;
  /** The fields of its state: all zero at first, shared by all vCPUs, saved and restored by name. */
  readonly state?: StateFields<R, N, B>;
  /** The version of its state; 1 where left out. */
  readonly version?: number;
  /** Makes its registers: one for each range, in their order; one alone where there is one range. */
  attach(
    context: BusDeviceContext<FieldValues<F>, NamedState<R, N, B>>,
  ): BusDevice | readonly BusDevice[];
}

/** A bus device, with its types found out. */
export function defineBusDevice<
  const F extends OptionFields = Record<never, never>,
  const R extends string = never,
  const N extends string = never,
  const B extends string = never,
>(definition: BusDeviceDefinition<F, R, N, B>): BusDeviceDefinition<F, R, N, B> {
  return definition;
}

/** A range with its place. */
export interface PlacedRange {
  readonly space: "pio" | "mmio";
  readonly base: number;
  readonly size: number;
}

/** What a device is made with; the machine has read its options and found its places. */
export interface UserBusOptions {
  readonly id: string;
  readonly module: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly ranges: readonly PlacedRange[];
  readonly fields: StateFields;
  readonly version: number;
  /** Of its interrupt; undefined without. */
  readonly irqFd: number | undefined;
}

/** One bus device of a user's. */
export interface UserBusSpec extends DeviceSpec, UserBusOptions {
  readonly state: SharedArrayBuffer;
}

/** Bus devices that users have written. Their modules come with the context. */
export const userBus: DeviceModule<Partial<UserBusOptions>, UserBusSpec> = {
  kind: KIND,

  create({ id = KIND, module = "", values = {}, ranges = [], fields = {}, version = 1, irqFd }) {
    const state = new StateLayout(fields).allocate();
    return { kind: KIND, id, module, values, ranges, fields, version, irqFd, state };
  },

  attach(spec, context) {
    const layout = new StateLayout(spec.fields);
    const views = layout.views(spec.state);
    const devices = attachAll(spec, context, namedState(layout, spec.fields, views));
    const ranges = spec.ranges.map((range, index) => {
      return { ...range, device: new GuardedDevice(spec, devices[index]) };
    });
    return { ranges, lock: views.lock } satisfies AttachedDevice;
  },

  save: ({ fields, state, version }) => new StateLayout(fields).save(state, version),

  restore({ id, fields, state, version }, saved) {
    new StateLayout(fields).restore(state, new StateReader(id, version, saved));
  },
};

/** Calls the user's attach. @throws {UserDeviceError} what it throws, or gives that is no device */
function attachAll(
  spec: UserBusSpec,
  context: AttachContext,
  state: NamedState<string, never, never>,
): readonly BusDevice[] {
  const { id, module, values, irqFd } = spec;
  const problem = (text: string, cause?: unknown) =>
    new UserDeviceError(id, module, text, { cause });
  const definition = context.userModules?.bus(module);
  if (definition === undefined) throw problem("its module is not loaded in this isolate");
  const { memory, requests } = context;
  let given: unknown;
  try {
    given = definition.attach({
      id,
      options: values,
      state,
      memory,
      requests,
      irq: irqFd === undefined ? NO_INTERRUPT : context.irq(irqFd),
      interrupted: () => context.interrupted(),
    });
  } catch (error) {
    throw problem(`attach threw ${stackOf(error, module)}`, error);
  }
  const devices = Array.isArray(given) ? given : [given];
  if (devices.length !== spec.ranges.length) {
    throw problem(
      `attach gave ${devices.length} devices for ${spec.ranges.length} ranges; it gives one for each`,
    );
  }
  if (!devices.every(isBusDevice)) {
    throw problem("attach did not give an object with the methods read and write");
  }
  return devices;
}

const NO_INTERRUPT: IrqLine = {
  trigger() {
    throw new Error("the device has asked for no interrupt; its definition needs interrupt: true");
  },
};

function isBusDevice(value: unknown): value is BusDevice {
  if (typeof value !== "object" || value === null) return false;
  const { read, write } = value as Partial<BusDevice>;
  return typeof read === "function" && typeof write === "function";
}

/** A user's registers; what they throw is told with the device's name. */
class GuardedDevice implements BusDevice {
  readonly #spec: UserBusSpec;
  readonly #device: BusDevice;

  constructor(spec: UserBusSpec, device: BusDevice) {
    this.#spec = spec;
    this.#device = device;
  }

  read(offset: number, size: AccessSize): number {
    let value: unknown;
    try {
      value = this.#device.read(offset, size);
    } catch (error) {
      throw this.#failure("read", offset, size, error);
    }
    if (typeof value === "number") return value;
    throw this.#failure("read", offset, size, new TypeError(`${kindOf(value)} is not a number`));
  }

  write(offset: number, size: AccessSize, value: number): void {
    let result: unknown;
    try {
      result = this.#device.write(offset, size, value);
    } catch (error) {
      throw this.#failure("write", offset, size, error);
    }
    if (!(result instanceof Promise)) return;
    // Nobody would ever hear of its end: the isolate blocks in the guest.
    result.catch(() => {});
    throw this.#failure("write", offset, size, new TypeError("an access can't be asynchronous"));
  }

  #failure(name: string, offset: number, size: number, error: unknown): UserDeviceError {
    const { id, module } = this.#spec;
    const where = `${size} ${size === 1 ? "byte" : "bytes"} at offset ${offset}`;
    const text = `${name} of ${where} threw ${stackOf(error, module)}`;
    return new UserDeviceError(id, module, text, { cause: error });
  }
}

function kindOf(value: unknown): string {
  return value instanceof Promise ? "a Promise" : value === undefined ? "undefined" : typeof value;
}

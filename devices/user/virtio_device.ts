/**
 * A virtio device that the user has written, in a module of its own: it is given each buffer of its driver's, in an
 * I/O isolate. Queues, features of queues, transport, interrupts, pause and reset are taken care of.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | where buffers are, and how large | the queue: each piece is RAM; a request reads 64 KiB at once |
 * | how often it asks | so many buffers in a turn of the event loop |
 * | what the user's code makes of their contents | a call that throws stops this device with DEVICE_NEEDS_RESET |
 *
 * @module
 */
import type { FieldValues, OptionFields } from "../options.ts";
import type { DeviceState } from "../state.ts";
import {
  type DeviceContext,
  DeviceError,
  type VirtioDescription,
  type VirtioModule,
} from "../virtio/module.ts";
import { stackOf } from "./errors.ts";
import { UserVirtioCore } from "./virtio_core.ts";
import type { VirtioRequest } from "./request.ts";

/** What the I/O isolate lends to a user's device. */
export interface VirtioDeviceContext<Options> extends DeviceContext {
  /** What its user has set. */
  readonly options: Options;
  /** Looks at a queue again, whose handler has answered `false` before; nothing happens while there is no driver. */
  again(queue: number): void;
}

/** What a user's device does. All calls come one at a time, from the event loop; none may wait. */
export interface VirtioHandler {
  /**
   * Serves a buffer, which goes back to the driver with all that was written to it.
   *
   * @param queue its index
   * @returns `false` where it can't be served yet: it stays first in its queue, until
   * {@linkcode VirtioDeviceContext.again} is called, or the driver puts in another
   * @throws anything: the device then stops with DEVICE_NEEDS_RESET until its driver resets it
   */
  request(request: VirtioRequest, queue: number): void | false;
  /** The driver is ready. @param features those that both sides have */
  start?(features: bigint): void;
  /** The driver is gone, or the machine pauses: no buffer will be served until the next start. */
  stop?(): void;
  /** After a stop: all that was agreed with the driver is forgotten. */
  reset?(): void;
  /** The driver has written to the configuration space. */
  configWritten?(): void;
  /** A wish of the host's by name, from `machine.devices.get(id).command(name, argument)`. */
  command?(name: string, argument: unknown): unknown;
  /** What it must remember beyond its queues, for a snapshot. */
  save?(): DeviceState;
  /** Takes over what `save` gave, before the first start. */
  restore?(state: DeviceState): void;
  /** Gives back what `open` has opened. */
  close?(): void;
}

/** A virtio device: the default export of a user's module. */
export interface VirtioDeviceDefinition<F extends OptionFields = OptionFields> {
  /** Its number (virtio 1.2, 5). Linux finds those up to 63 behind PCI, and all others by MMIO. */
  readonly type: number;
  /** What its user can set; nothing where left out. */
  readonly options?: F;
  /** The bits of its own kind that it offers (0 to 23, 50 to 127 of the standard's; below 64 here). */
  readonly features?: bigint | ((options: FieldValues<F>) => bigint);
  /** The most entries of each queue, powers of two. */
  readonly queues: readonly number[] | ((options: FieldValues<F>) => readonly number[]);
  /** Its configuration space at first; empty where left out. */
  readonly config?: Uint8Array | ((options: FieldValues<F>) => Uint8Array);
  /** Where the driver may write to it. */
  readonly writableConfig?: readonly { readonly offset: number; readonly size: number }[];
  /** The names of its counters. */
  readonly metrics?: readonly string[];
  /** Makes the device in its I/O isolate. */
  open(context: VirtioDeviceContext<FieldValues<F>>): VirtioHandler;
}

/** A virtio device, with its types found out. */
export function defineVirtioDevice<const F extends OptionFields = Record<never, never>>(
  definition: VirtioDeviceDefinition<F>,
): VirtioDeviceDefinition<F> {
  return definition;
}

/** The largest number of a type: behind PCI it is added to 0x1040, in 16 bits (virtio 1.2, 4.1.2). */
const MOST_TYPE = 0xffff - 0x1040;
/** The most queues of a device, as far as these go. */
const MOST_QUEUES = 64;
/** The most entries of a queue (virtio 1.2, 2.7). */
const MOST_ENTRIES = 32_768;
/** The most bytes of a configuration space. */
const MOST_CONFIG = 1024;
/** The bits of queues and transports (virtio 1.2, 6). */
const RESERVED_FEATURES = ((1n << 50n) - 1n) & ~((1n << 24n) - 1n);

/** What a user's device is opened with. */
interface UserBackend {
  readonly values: Readonly<Record<string, unknown>>;
}

/** A user's definition as the registry's own devices are: under the URL of its module as its kind. */
export function userVirtio(module: string, definition: VirtioDeviceDefinition): VirtioModule {
  return {
    kind: module,
    options: {
      flag: "device",
      field: "devices",
      multiplicity: "many",
      summary: "a device of the user's own",
      fields: definition.options ?? {},
    },

    create(input, { id }): VirtioDescription<UserBackend> {
      const values = input as Readonly<Record<string, unknown>>;
      try {
        return describe(module, definition, values);
      } catch (error) {
        const text = error instanceof RangeError ? error.message : stackOf(error, module);
        throw new DeviceError(`the device ${id} (${module}): ${text}`, { cause: error });
      }
    },

    open: ({ backend, queueSizes }, context) =>
      new UserVirtioCore(
        module,
        definition,
        (backend as UserBackend).values,
        queueSizes,
        context,
      ),
  };
}

/** @throws {RangeError} what can't be; and what the user's functions throw */
function describe(
  kind: string,
  definition: VirtioDeviceDefinition,
  values: Readonly<Record<string, unknown>>,
): VirtioDescription<UserBackend> {
  const { type, writableConfig = [], metrics = [] } = definition;
  const queueSizes = valueOf(definition.queues, values);
  const features = valueOf(definition.features ?? 0n, values);
  const config = valueOf(definition.config ?? new Uint8Array(), values);
  refuseUnless(isCount(type, 1, MOST_TYPE), `type: it is a whole number from 1 to ${MOST_TYPE}`);
  refuseUnless(
    Array.isArray(queueSizes) && queueSizes.length > 0 && queueSizes.length <= MOST_QUEUES &&
      queueSizes.every((size) => isCount(size, 1, MOST_ENTRIES) && (size & (size - 1)) === 0),
    `queues: it lists 1 to ${MOST_QUEUES} sizes, powers of two up to ${MOST_ENTRIES}`,
  );
  refuseUnless(
    typeof features === "bigint" && features >= 0n && features < 1n << 64n &&
      (features & RESERVED_FEATURES) === 0n,
    "features: it is a bigint of the bits 0 to 23 and 50 to 63; the others belong to queues and transports",
  );
  refuseUnless(
    config instanceof Uint8Array && config.length <= MOST_CONFIG,
    `config: it is a Uint8Array of at most ${MOST_CONFIG} bytes`,
  );
  refuseUnless(
    Array.isArray(writableConfig) &&
      writableConfig.every(({ offset, size }) =>
        isCount(offset, 0, config.length) && isCount(size, 0, config.length - offset)
      ),
    "writableConfig: it lists ranges inside of config",
  );
  refuseUnless(
    Array.isArray(metrics) && metrics.every((name) => typeof name === "string") &&
      new Set(metrics).size === metrics.length,
    "metrics: it lists names, none of them twice",
  );
  const backend = { values };
  return { kind, deviceType: type, features, queueSizes, config, writableConfig, metrics, backend };
}

function valueOf<T>(given: T | ((options: never) => T), values: unknown): T {
  return typeof given === "function" ? (given as (options: unknown) => T)(values) : given;
}

function isCount(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

function refuseUnless(condition: boolean, problem: string): void {
  if (!condition) throw new RangeError(problem);
}

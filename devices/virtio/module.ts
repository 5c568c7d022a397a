/**
 * What every kind of virtio device is made of. A new one is a folder with a module and one line in the registry.
 *
 * A device lives in two places. Its description is made in the main isolate, where files are opened and
 * mistakes of the user are reported. Its core is opened from that description in an I/O isolate, where it alone
 * touches its queues and its backend. The transport between guest and core knows neither.
 * @module
 */
import type { IoScope } from "../../src/ffi/mod.ts";
import type { GuestMemory } from "../../src/memory/mod.ts";
import type { ConsolePort } from "../device.ts";
import type { Metrics } from "../metrics.ts";
import type { DeviceOptions, InputOf, ValuesOf } from "../options.ts";
import type { DeviceState } from "../state.ts";
import type { Virtqueue } from "./queue/virtqueue.ts";

/** A device before it is plugged into a transport. All of it can be structured-cloned. */
export interface VirtioDescription<Backend = unknown> {
  /** The kind of the module that made it. */
  readonly kind: string;
  /** The device's number (virtio 1.2, 5): 1 for net, 2 for block, and so on. */
  readonly deviceType: number;
  /** The bits of its own kind that it offers; those of queues and transports are added. */
  readonly features: bigint;
  /** The most descriptors of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  /** The configuration space at first, in its full size. */
  readonly config: Uint8Array;
  /** Where the driver may write to the configuration; nowhere when left out. */
  readonly writableConfig?: readonly { readonly offset: number; readonly size: number }[];
  /** The names of its counters. */
  readonly metrics: readonly string[];
  /** The numbers of descriptors, paths and sizes that the core is opened with. */
  readonly backend: Backend;
}

/** What the main isolate lends to a device that is being made. */
export interface CreateContext {
  /** The device's name in its machine, such as `"disk0"`. */
  readonly id: string;
  /** How many vCPUs the machine has. */
  readonly cpus: number;
  /** The memory of the machine, in bytes. */
  readonly memorySize: number;
  /** Takes over what must be given back when the machine ends, or when its building fails. */
  own<T extends Disposable>(resource: T): T;
}

/** A device's configuration space in the I/O isolate. */
export interface ConfigSpace {
  /** The bytes, for reading. */
  readonly bytes: Uint8Array;
  /** Changes bytes, raises the generation and tells the driver (a configuration change interrupt). */
  update(offset: number, bytes: Uint8Array): void;
}

/** What the I/O isolate lends to a device's core. */
export interface DeviceContext {
  /** The device's name in its machine. */
  readonly id: string;
  readonly memory: GuestMemory;
  /** Its part of the event loop. A callback that throws stops the device as {@linkcode fail} does. */
  readonly io: IoScope;
  readonly config: ConfigSpace;
  readonly metrics: Metrics;
  /** A line for whoever runs the machine. Many in a row are cut short. */
  log(message: string): void;
  /** Sets DEVICE_NEEDS_RESET: the device has stopped until its driver resets it. */
  fail(error: unknown): void;
}

/**
 * A device's core. All calls come in its own isolate, one at a time, from the event loop.
 *
 * `start` and `stop` alternate. What throws out of a call, a VirtqueueError for one, stops the device with
 * DEVICE_NEEDS_RESET and a line in the log; the core need not catch it.
 */
export interface VirtioDevice {
  /**
   * The driver is ready (DRIVER_OK), or the machine goes on after a pause. Buffers may wait already: `kick` is
   * called for every queue right after this.
   *
   * @param queues by index; undefined for those that the driver did not set up
   * @param features those that both sides have
   */
  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void;
  /** The driver has put buffers into a queue that is set up; a hint, which may come for no reason. */
  kick(queue: number): void;
  /**
   * Begin no more. When nothing of its `io` is under way any longer, the device must not touch the queues or
   * guest memory again, and every buffer must have been given back: pushed and flushed, or unpopped.
   *
   * @param gone whether nobody waits for what was offered: the driver resets the device, or the device has failed;
   *   not so at a pause
   */
  stop(gone: boolean): void;
  /** Follows a `stop`: the driver is gone. All that was agreed with it is forgotten; host resources are kept. */
  reset(): void;
  /** The driver wrote to the configuration space. */
  configWritten?(): void;
  /**
   * A wish of the host's, by name: `"limits"`, `"resize"`, ... Argument and result can be written as JSON.
   *
   * @throws {Error} whose message is for the user
   */
  command?(name: string, argument: unknown): unknown;
  /** What it must remember beyond registers and queues, while stopped; left out where there is nothing. */
  save?(): DeviceState;
  /** Takes over what {@linkcode save} gave; before the first start. @throws {DeviceStateError} */
  restore?(state: DeviceState): void;
  /** Gives back what the core itself opened; it is stopped. */
  close(): void;
}

/** Everything there is to know about one kind of virtio device. */
export interface VirtioModule<O extends DeviceOptions = DeviceOptions, Backend = unknown> {
  /** The name of the kind, unique in the registry. */
  readonly kind: string;
  /** How users ask for it, on the command line and in a file. */
  readonly options: O;
  /**
   * Makes a device in the main isolate: opens its files, locks them, checks what can be checked.
   *
   * @throws {DeviceError} with a message for the user that names what is wrong and the remedy
   */
  create(options: InputOf<O>, context: CreateContext): VirtioDescription<Backend>;
  /** Opens the core in an I/O isolate. */
  open(description: VirtioDescription<Backend>, context: DeviceContext): VirtioDevice;
  /** Of a kind made of parts: the one part of a device that carries the machine's console. */
  readonly consolePart?: ValuesOf<O>;
  /** The host's end of that part; in the main isolate. */
  console?(description: VirtioDescription<Backend>): ConsolePort;
}

/** A device that can't be made as its user wants it. */
export class DeviceError extends Error {
  override readonly name = "DeviceError";
}

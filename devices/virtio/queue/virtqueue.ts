/**
 * A virtqueue as devices use it, whichever layout its rings have.
 * @module
 */
import type { DescriptorChain } from "./chain.ts";

/**
 * The driver broke a rule of its queue. The device stops with DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2); nobody else
 * is concerned.
 */
export class VirtqueueError extends Error {
  override readonly name = "VirtqueueError";
}

/** Where a queue begins, or goes on after a restore. */
export interface QueuePosition {
  /**
   * Split: the index of the next entry of the available ring, 16 bits. Packed: the offset of the next descriptor
   * (15 bits) with the driver's wrap counter in bit 15, as VIRTIO_F_NOTIFICATION_DATA and vhost have them.
   */
  readonly nextAvailable: number;
  /** The same for the used ring and the device's wrap counter. */
  readonly nextUsed: number;
}

/** Where a queue is in guest memory, as its driver has set it up. */
export interface QueueConfiguration {
  /** Its number among the device's queues. */
  readonly index: number;
  /** Descriptors; split: a power of two, packed: any number; at most 32768. */
  readonly size: number;
  /** The guest physical address of the descriptor table (split) or ring (packed). */
  readonly descriptorArea: number;
  /** Of the available ring, or the driver's event suppression structure. */
  readonly driverArea: number;
  /** Of the used ring, or the device's event suppression structure. */
  readonly deviceArea: number;
  /** Where it begins: zeros for split, both wrap counters set (0x8000) for packed, unless restored. */
  readonly position?: QueuePosition;
}

/** What drivers and devices have agreed on, as far as queues go. */
export interface QueueFeatures {
  /** VIRTIO_F_RING_PACKED */
  readonly packed: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIdx: boolean;
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect: boolean;
}

/**
 * One virtqueue, the device's side. It belongs to one isolate.
 *
 * A device takes buffers with {@linkcode pop}, in any number, gives each back once with {@linkcode push}, in any
 * order, and calls {@linkcode flush} when the driver should see what was given back.
 *
 * Notifications are wanted from the start. As long as they are, a `false` of {@linkcode pop} or
 * {@linkcode hasBuffers} is also a promise: the next buffer will be notified. A device that stops before that has
 * to come back by itself. {@linkcode ignore} and {@linkcode watch} save notifications while a device is busy anyway.
 */
export interface Virtqueue {
  readonly index: number;
  readonly size: number;
  /**
   * Takes the next buffer that the driver has offered.
   *
   * Everything about it is checked: its pieces are RAM, their number is at most the queue's size, no loop, no
   * indirect table in an indirect table, nothing readable after something writable, and the buffers under way
   * are no more than the queue's size.
   *
   * @param chain is filled; its capacity is at least the queue's size
   * @returns whether there was one
   * @throws {VirtqueueError} what the driver did wrong; the queue is then not used any more
   */
  pop(chain: DescriptorChain): boolean;
  /**
   * Puts the buffer that was popped last back: the next {@linkcode pop} gives it again. Those popped after it were
   * put back before.
   */
  unpop(chain: DescriptorChain): void;
  /**
   * Gives a buffer back. The driver sees it after {@linkcode flush} at the latest.
   *
   * @param written how many bytes at the start of its device-writable part were written, at most all
   */
  push(chain: DescriptorChain, written: number): void;
  /** Shows the driver all that was pushed, at once, and interrupts it if it wants that. */
  flush(): void;
  /** Asks the driver for no notifications: a hint, until {@linkcode watch}. */
  ignore(): void;
  /**
   * Asks for notifications again.
   *
   * @returns whether buffers arrived meanwhile, about which there will be no notification: pop them
   */
  watch(): boolean;
  /** Whether a buffer waits to be popped, by the driver's index or flags alone. */
  readonly hasBuffers: boolean;
  /** How many buffers were popped and not given back. */
  readonly inFlight: number;
  /** Where the queue is, for a save; nothing is in flight then. */
  readonly position: QueuePosition;
}

/**
 * A virtqueue as the one sees it who calls its device.
 *
 * Where it is opened to be looked at, {@linkcode Virtqueue.watch} tells the driver nothing at first. Whoever opened
 * it looks at {@linkcode news} instead, and calls {@linkcode arm} before it looks no more. What a device is
 * promised about notifications is kept in this way.
 */
export interface WatchableQueue extends Virtqueue {
  /** Whether the device wants to hear of buffers, and has not heard of all there are. Looks at the driver's memory alone. */
  readonly news: boolean;
  /** The device is being told now: there's no news until more buffers come. */
  note(): void;
  /** Tells the driver what the device wants: notifications, if it watches. @returns whether there is {@linkcode news} */
  arm(): boolean;
}

/** The size of a descriptor, and of an entry in an indirect table (virtio 1.2, 2.7.5 and 2.8.13). */
export const DESCRIPTOR_SIZE = 16;

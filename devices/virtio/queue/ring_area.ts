/**
 * The three areas of a virtqueue in guest memory, and views of them.
 *
 * Views are made once, when a queue is opened: RAM neither moves nor shrinks while a device is started. Each area
 * lies in one region, so a ring is a plain typed array, and no index that is checked against the queue's size
 * can lead out of it.
 *
 * Hosts are little-endian here, as virtio's fields are, so typed arrays need no conversion.
 * @module
 */
import { type GuestMemory, GuestMemoryError } from "../../../src/memory/mod.ts";
import { type QueueConfiguration, VirtqueueError } from "./virtqueue.ts";

/** VIRTQ_DESC_F_NEXT: the buffer goes on (virtio 1.2, 2.7.5 and 2.8.13). */
export const DESC_F_NEXT = 1;
/** VIRTQ_DESC_F_WRITE: the device writes here. */
export const DESC_F_WRITE = 2;
/** VIRTQ_DESC_F_INDIRECT: here is a table of descriptors. */
export const DESC_F_INDIRECT = 4;

/** The largest queue (virtio 1.2, 2.7 and 2.8.10.1). */
export const MAX_QUEUE_SIZE = 32768;

/**
 * Finds an area and checks it.
 *
 * @param what names it in errors, such as `"available ring"`
 * @param alignment bytes, a power of two up to 16
 * @throws {VirtqueueError} it isn't aligned, or not wholly in one region of RAM
 */
export function ringArea(
  memory: GuestMemory,
  queue: number,
  what: string,
  address: number,
  length: number,
  alignment: number,
): Uint8Array<SharedArrayBuffer> {
  if (address % alignment !== 0) {
    throw new VirtqueueError(
      `queue ${queue}: the ${what} at 0x${
        address.toString(16)
      } is not aligned to ${alignment} bytes`,
    );
  }
  try {
    // The end of a range far above 2^53 isn't exact, and not needed to be: it is not RAM.
    return memory.slice(address, length);
  } catch (cause) {
    if (!(cause instanceof GuestMemoryError)) throw cause;
    throw new VirtqueueError(`queue ${queue}: the ${what}: ${cause.message}`, { cause });
  }
}

/** @throws {VirtqueueError} the size is none that a queue of this layout can have */
export function checkQueueSize({ index, size }: QueueConfiguration, packed: boolean): void {
  const fits = Number.isInteger(size) && size >= 1 && size <= MAX_QUEUE_SIZE;
  // A split ring's free-running indices need a power of two (2.7); a packed one wraps where it ends (2.8.10.1).
  if (fits && (packed || (size & (size - 1)) === 0)) return;
  const rule = packed ? "a number" : "a power of two";
  throw new VirtqueueError(
    `queue ${index}: it can't have ${size} descriptors, only ${rule} from 1 to ${MAX_QUEUE_SIZE}`,
  );
}

/** @throws {VirtqueueError} a saved position's field is no number of 16 bits */
export function checkPosition(queue: number, field: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff) return;
  throw new VirtqueueError(`queue ${queue}: it can't go on at ${field} ${value}`);
}

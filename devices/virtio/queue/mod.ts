/**
 * Virtqueues, the device's side: split and packed rings behind one interface.
 *
 * ```ts
 * import { GuestMemory } from "../../../src/memory/mod.ts";
 * import { DescriptorChain, openQueue } from "./mod.ts";
 *
 * const memory = GuestMemory.forTest(0x10000);
 * const areas = { descriptorArea: 0x1000, driverArea: 0x2000, deviceArea: 0x3000 };
 * const features = { packed: false, eventIdx: true, indirect: true };
 * const queue = openQueue(memory, { index: 0, size: 16, ...areas }, features, () => {});
 *
 * const chain = new DescriptorChain(queue.size);
 * while (queue.pop(chain)) queue.push(chain, 0);
 * queue.flush();
 * ```
 *
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { PackedQueue } from "./packed.ts";
import { SplitQueue } from "./split.ts";
import type { QueueConfiguration, QueueFeatures, WatchableQueue } from "./virtqueue.ts";

export * from "./chain.ts";
export { QueueMisuseError } from "./misuse.ts";
export { PackedQueue } from "./packed.ts";
export { MAX_QUEUE_SIZE } from "./ring_area.ts";
export { SplitQueue } from "./split.ts";
export * from "./virtqueue.ts";

/**
 * Opens a queue of the layout that was agreed on. Notifications are wanted from the start.
 *
 * @param interrupt tells the driver that buffers were given back; called from flush, if the driver wants it
 * @param looked whether the driver is looked at instead of being asked for notifications; see {@linkcode WatchableQueue}
 * @throws {VirtqueueError} an area isn't aligned or not RAM, or the size or position can't be
 */
export function openQueue(
  memory: GuestMemory,
  configuration: QueueConfiguration,
  features: QueueFeatures,
  interrupt: () => void,
  looked = false,
): WatchableQueue {
  const Queue = features.packed ? PackedQueue : SplitQueue;
  return new Queue(memory, configuration, features, interrupt, looked);
}

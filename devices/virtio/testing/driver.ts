/**
 * A guest's driver for tests of queues and devices: it offers buffers, in guest memory without a guest.
 *
 * ```ts
 * import { GuestMemory } from "../../../src/memory/mod.ts";
 * import { DescriptorChain, openQueue } from "../queue/mod.ts";
 * import { FakeDriver } from "./driver.ts";
 *
 * const memory = GuestMemory.forTest(1 << 20);
 * const driver = new FakeDriver(memory, { queueSizes: [16], packed: true });
 * const queue = openQueue(memory, driver.queue(0).configuration, driver.queueFeatures, () => {});
 *
 * const token = driver.queue(0).offer({ readable: [new Uint8Array([1, 2])], writable: [16] });
 * const chain = new DescriptorChain(queue.size);
 * queue.pop(chain);
 * chain.write(memory, 0, new Uint8Array([7]));
 * queue.push(chain, 1);
 * queue.flush();
 * const [done] = driver.queue(0).collect();
 * if (done.token !== token || done.bytes[0] !== 7) throw new Error("the buffer came back");
 * ```
 *
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import {
  bit,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from "../features.ts";
import type { QueueFeatures } from "../queue/virtqueue.ts";
import { Arena } from "./arena.ts";
import { FakePackedQueue } from "./fake_packed_queue.ts";
import type { FakeQueue } from "./fake_queue.ts";
import { FakeSplitQueue } from "./fake_split_queue.ts";

/** What a driver uses of what queues can do; nothing when left out. */
export interface DriverFeatures {
  /** VIRTIO_F_RING_PACKED */
  readonly packed?: boolean;
  /** VIRTIO_F_INDIRECT_DESC: buffers of several pieces go into tables. */
  readonly indirect?: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIdx?: boolean;
}

/** How a driver sets up its device's queues. */
export interface DriverOptions extends DriverFeatures {
  /** The descriptors of each queue; 0 for one that is not set up. */
  readonly queueSizes: readonly number[];
}

/** The driver of one device. */
export class FakeDriver {
  /** By index; undefined for those that are not set up. */
  readonly queues: readonly (FakeQueue | undefined)[];
  readonly queueFeatures: QueueFeatures;
  readonly memory: GuestMemory;
  readonly #arena: Arena;

  /** @param memory of which it uses the first region, except for its first page */
  constructor(memory: GuestMemory, options: DriverOptions) {
    const { queueSizes, packed = false, indirect = false, eventIdx = false } = options;
    this.memory = memory;
    this.queueFeatures = { packed, indirect, eventIdx };
    const [{ guestAddress, size }] = memory.regions;
    this.#arena = new Arena(guestAddress + 4096, guestAddress + size);
    const Queue = packed ? FakePackedQueue : FakeSplitQueue;
    this.queues = queueSizes.map((size, index) =>
      size === 0 ? undefined : new Queue(memory, this.#arena, index, size, this.queueFeatures)
    );
  }

  /** The bits of what it uses of queues, with VIRTIO_F_VERSION_1. */
  get features(): bigint {
    const { packed, indirect, eventIdx } = this.queueFeatures;
    return bit(VIRTIO_F_VERSION_1) |
      (packed ? bit(VIRTIO_F_RING_PACKED) : 0n) |
      (indirect ? bit(VIRTIO_F_INDIRECT_DESC) : 0n) |
      (eventIdx ? bit(VIRTIO_F_EVENT_IDX) : 0n);
  }

  /** A queue. @throws {RangeError} there is none, or it isn't set up */
  queue(index: number): FakeQueue {
    const queue = this.queues[index];
    if (queue === undefined) throw new RangeError(`the driver has no queue ${index}`);
    return queue;
  }

  /** A queue that is known to be split, for what only that has. */
  splitQueue(index: number): FakeSplitQueue {
    const queue = this.queue(index);
    if (queue instanceof FakeSplitQueue) return queue;
    throw new TypeError(`queue ${index} is not split`);
  }

  /** A queue that is known to be packed, for what only that has. */
  packedQueue(index: number): FakePackedQueue {
    const queue = this.queue(index);
    if (queue instanceof FakePackedQueue) return queue;
    throw new TypeError(`queue ${index} is not packed`);
  }

  /** Takes guest memory, aligned to 64 bytes, which stays taken. */
  allocate(length: number): number {
    return this.#arena.allocate(length);
  }
}

/** A layout of queues, with what goes along with it. */
export interface Layout extends DriverFeatures {
  /** For the names of tests. */
  readonly name: string;
}

/** The layouts that each device is tested with. */
export const LAYOUTS: readonly Layout[] = [
  { name: "split queues" },
  {
    name: "split queues with event indices and indirect tables",
    eventIdx: true,
    indirect: true,
  },
  { name: "packed queues", packed: true },
  {
    name: "packed queues with event suppression and indirect tables",
    packed: true,
    eventIdx: true,
    indirect: true,
  },
];

/**
 * Defines tests once for each layout.
 *
 * ```ts ignore
 * forEachLayout((layout) => {
 *   Deno.test(`a disk answers a read, over ${layout.name}`, async () => {
 *     await using rig = new DeviceRig(block, { path });
 *     rig.start(layout);
 *   });
 * });
 * ```
 */
export function forEachLayout(define: (layout: Layout) => void): void {
  for (const layout of LAYOUTS) define(layout);
}

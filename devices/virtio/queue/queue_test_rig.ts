/**
 * A queue with its driver, for the tests of queues.
 * @module
 */
import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { FakeDriver, type Layout } from "../testing/driver.ts";
import type { FakeBuffer, FakeQueue, RawDescriptor } from "../testing/fake_queue.ts";
import { DescriptorChain, openQueue, type QueuePosition, type WatchableQueue } from "./mod.ts";

/** Both sides of one queue. */
export class QueueRig {
  readonly memory: GuestMemory;
  readonly driver: FakeDriver;
  readonly ring: FakeQueue;
  readonly layout: Layout;
  queue: WatchableQueue;
  /** How often the device has interrupted the driver. */
  interrupts = 0;

  constructor(layout: Layout, size: number, memory: GuestMemory = GuestMemory.forTest(1 << 22)) {
    this.layout = layout;
    this.memory = memory;
    this.driver = new FakeDriver(memory, { ...layout, queueSizes: [size] });
    this.ring = this.driver.queue(0);
    this.queue = this.open();
  }

  /** Opens the device's side, at a position or at the start. @param looked as {@linkcode openQueue} has it */
  open(position?: QueuePosition, looked?: boolean): WatchableQueue {
    const configuration = { ...this.ring.configuration, position };
    return openQueue(this.memory, configuration, this.driver.queueFeatures, () => {
      this.interrupts++;
    }, looked);
  }

  chain(): DescriptorChain {
    return new DescriptorChain(this.queue.size);
  }

  /** Pops a buffer that must be there. */
  pop(): DescriptorChain {
    const chain = this.chain();
    assert(this.queue.pop(chain), "there should be a buffer");
    return chain;
  }

  /** The bytes of the device-readable part. */
  read(chain: DescriptorChain): Uint8Array {
    const bytes = new Uint8Array(chain.readableBytes);
    assert.equal(chain.read(this.memory, 0, bytes), bytes.length);
    return bytes;
  }

  /** Offers a buffer, and has it go through the device. */
  roundTrip(buffer: FakeBuffer): void {
    const token = this.ring.offer(buffer);
    const chain = this.pop();
    this.queue.push(chain, 0);
    this.queue.flush();
    assert.deepEqual(this.ring.collect().map((done) => done.token), [token]);
  }

  /** What the device makes of descriptors as they are: the error that stops it, or the chain. */
  popRaw(...descriptors: RawDescriptor[]): DescriptorChain {
    this.ring.offerRaw(descriptors);
    return this.pop();
  }
}

/** Bytes, in short. */
export function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(values);
}

/**
 * A virtqueue under a device in a test, that sees to the promises which a device makes.
 * @module
 */
import assert from "node:assert/strict";
import type { DescriptorChain, QueuePosition, Virtqueue } from "../queue/mod.ts";

/** Passes everything on to a queue, until it is closed. */
export class WatchedQueue implements Virtqueue {
  readonly #queue: Virtqueue;
  #unflushed = 0;
  #closed = false;

  constructor(queue: Virtqueue) {
    this.#queue = queue;
  }

  /** After this the device must leave it alone. */
  close(): void {
    this.#closed = true;
  }

  /** @throws {assert.AssertionError} the device keeps buffers, though it has stopped */
  checkGivenBack(): void {
    const { index, inFlight } = this.#queue;
    assert.equal(inFlight, 0, `the device has stopped and keeps buffers of queue ${index}`);
    assert.equal(this.#unflushed, 0, `the device has not flushed what it pushed to queue ${index}`);
  }

  get index(): number {
    return this.#queue.index;
  }

  get size(): number {
    return this.#queue.size;
  }

  get hasBuffers(): boolean {
    return this.#open().hasBuffers;
  }

  get inFlight(): number {
    return this.#queue.inFlight;
  }

  get position(): QueuePosition {
    return this.#queue.position;
  }

  pop(chain: DescriptorChain): boolean {
    return this.#open().pop(chain);
  }

  unpop(chain: DescriptorChain): void {
    this.#open().unpop(chain);
  }

  push(chain: DescriptorChain, written: number): void {
    this.#open().push(chain, written);
    this.#unflushed++;
  }

  flush(): void {
    this.#open().flush();
    this.#unflushed = 0;
  }

  ignore(): void {
    this.#open().ignore();
  }

  watch(): boolean {
    return this.#open().watch();
  }

  #open(): Virtqueue {
    assert(!this.#closed, `the device uses queue ${this.#queue.index} after it has stopped`);
    return this.#queue;
  }
}

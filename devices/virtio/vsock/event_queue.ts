/**
 * The event queue: how the driver hears that all its connections are gone.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { type Virtqueue, VirtqueueError } from "../queue/virtqueue.ts";
import { EVENT_SIZE, EVENT_TRANSPORT_RESET } from "./packet.ts";

/** The events of one device. There's one kind of them, and one at a time is enough (virtio 1.2, 5.10.6.7). */
export class EventQueue {
  readonly #memory: GuestMemory;
  readonly #chain: DescriptorChain;
  readonly #event = new Uint8Array(EVENT_SIZE);
  #queue: Virtqueue | undefined = undefined;
  #due = false;

  /** @param size the most descriptors of the queue */
  constructor(memory: GuestMemory, size: number) {
    this.#memory = memory;
    this.#chain = new DescriptorChain(size);
    new DataView(this.#event.buffer).setUint32(0, EVENT_TRANSPORT_RESET, true);
  }

  /** @param queue undefined where the driver has none: it then hears nothing */
  start(queue: Virtqueue | undefined): void {
    this.#queue = queue;
  }

  stop(): void {
    this.#queue = undefined;
  }

  /** Has the driver told, now or when it has a buffer for that. */
  announceReset(): void {
    this.#due = true;
    this.kick();
  }

  /** A driver that begins anew has no connections to hear of. */
  reset(): void {
    this.#due = false;
  }

  /** There may be buffers. */
  kick(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    queue.ignore();
    while (this.#due) {
      if (!queue.pop(this.#chain)) {
        if (queue.watch()) continue;
        return;
      }
      if (this.#chain.writableBytes < EVENT_SIZE) {
        const size = this.#chain.writableBytes;
        throw new VirtqueueError(
          `an event of ${EVENT_SIZE} bytes does not fit a buffer of ${size} in the event queue`,
        );
      }
      this.#chain.write(this.#memory, 0, this.#event);
      queue.push(this.#chain, EVENT_SIZE);
      queue.flush();
      this.#due = false;
    }
  }
}

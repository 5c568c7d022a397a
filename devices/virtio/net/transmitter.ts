/**
 * One transmit queue: packets straight from the driver's buffers to the host.
 *
 * A packet that the host has no room for is kept, and waits for the port's descriptor to become writable; so do all
 * behind it. Source addresses are not checked: what a guest may claim to be is for the host's bridge or filter.
 *
 * Threat table:
 *
 * | the guest controls                     | what bounds it                                                       |
 * | -------------------------------------- | -------------------------------------------------------------------- |
 * | the length of a packet, and its pieces | too short or too long ones are counted and dropped; the queue's size |
 * | the header before a frame              | the kernel checks its own copy of it and refuses what makes no sense  |
 * | how many packets it sends              | a number of packets and bytes in each turn, then others have theirs   |
 * | a part to be written in such a buffer  | it is never written                                                   |
 *
 * Source: virtio 1.2, 5.1.6.2.
 * @module
 */
import {
  EAGAIN,
  type IoPoll,
  type IoTimer,
  IOV_MAX,
  IoVectors,
  POLLOUT,
} from "../../../src/ffi/mod.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import { EBADFD, type NetPort, type QueueContext } from "./backend.ts";
import { BYTES_A_TURN, HEADER_SIZE, PACKET_MAX, PACKET_MIN, PACKETS_A_TURN } from "./packet.ts";

/** One transmit queue and its port. */
export class Transmitter {
  readonly #context: QueueContext;
  readonly #port: NetPort;
  readonly #poll: IoPoll;
  readonly #timer: IoTimer;
  readonly #vectors = new IoVectors(IOV_MAX);
  #queue: Virtqueue | undefined;
  #chain = new DescriptorChain(0);
  /** Whether {@linkcode #chain} is a packet that is not sent yet. */
  #kept = false;
  #enabled = false;
  /** What one turn has moved. */
  #packets = 0;
  #bytes = 0;

  constructor(context: QueueContext, port: NetPort) {
    this.#context = context;
    this.#port = port;
    this.#poll = context.io.poll(port.fd, POLLOUT, () => this.#run());
    this.#timer = context.io.timer(() => this.#run());
  }

  /** The driver has set the queue up. It is {@linkcode kick}ed after this. */
  start(queue: Virtqueue): void {
    this.#queue = queue;
    if (this.#chain.capacity < queue.size) this.#chain = new DescriptorChain(queue.size);
  }

  /** Gives back the packet that is not sent yet, to be sent after the next start. */
  stop(): void {
    this.#poll.disarm();
    this.#timer.clear();
    if (this.#kept) this.#queue?.unpop(this.#chain);
    this.#kept = false;
    this.#queue = undefined;
  }

  /**
   * Whether packets go to the host: there is a link, and the queue is in use. They are dropped otherwise. It begins in
   * a later turn: what a driver did wrong must not become the error of whoever asks for this.
   */
  enable(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    this.#poll.disarm();
    if (this.#queue !== undefined) this.#timer.set(0);
  }

  /** There may be packets. */
  kick(): void {
    if (!this.#poll.armed && !this.#timer.armed) this.#run();
  }

  /** The limits have changed. */
  limitsChanged(): void {
    if (this.#timer.armed) this.#timer.set(0);
  }

  /** Ends its poll and its timer for good. */
  close(): void {
    this.#poll.close();
    this.#timer.clear();
  }

  #run(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    this.#timer.clear();
    queue.ignore();
    this.#packets = 0;
    this.#bytes = 0;
    let more = true;
    for (let i = 0; more && i < PACKETS_A_TURN && this.#bytes < BYTES_A_TURN; i++) {
      more = this.#next(queue);
    }
    // Others have a turn before this goes on.
    if (more) this.#timer.set(0);
    queue.flush();
    if (this.#packets > 0) {
      this.#context.metrics.add("tx_packets", this.#packets);
      this.#context.metrics.add("tx_bytes", this.#bytes);
    }
  }

  /** Handles one packet. @returns whether to go on */
  #next(queue: Virtqueue): boolean {
    const { metrics, limiter, io } = this.#context;
    if (!this.#kept && !queue.hasBuffers) {
      queue.flush();
      if (!queue.watch()) return false;
      queue.ignore();
    }
    const delay = this.#enabled ? limiter.delay(io.now) : 0;
    if (delay > 0) {
      metrics.add("tx_throttled");
      this.#timer.set(delay);
      return false;
    }
    if (!this.#kept && !queue.pop(this.#chain)) return true;
    this.#kept = true;
    if (!this.#send()) return false;
    this.#kept = false;
    queue.push(this.#chain, 0);
    return true;
  }

  /** Sends the packet that was popped. @returns false if it has to wait */
  #send(): boolean {
    const { metrics, limiter, memory } = this.#context;
    const length = this.#chain.readableBytes;
    if (length < PACKET_MIN || length > PACKET_MAX) {
      metrics.add("tx_malformed");
      return true;
    }
    if (!this.#enabled) {
      metrics.add("tx_dropped");
      return true;
    }
    const count = this.#chain.readableVectors(memory, 0, length, this.#vectors);
    const result = this.#port.write(this.#vectors, count);
    if (result === -EAGAIN) {
      metrics.add("tx_blocked");
      this.#poll.arm();
      return false;
    }
    if (result < 0) {
      metrics.add("tx_errors");
      if (result === -EBADFD) this.#context.lost(EBADFD);
      return true;
    }
    limiter.charge(length - HEADER_SIZE);
    this.#packets++;
    this.#bytes += length - HEADER_SIZE;
    return true;
  }
}

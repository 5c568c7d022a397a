/**
 * One receive queue: packets from the host straight into the buffers that the driver has offered.
 *
 * It waits for one thing at a time: a packet (the port's descriptor is polled), buffers (a notification), or time
 * (the limits, or others' turn). Without buffers the host is not asked for packets, and keeps them.
 *
 * Source: virtio 1.2, 5.1.6.3 and 5.1.6.4.
 * @module
 */
import { EAGAIN, type IoPoll, type IoTimer, POLLIN } from "../../../src/ffi/mod.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { NetPort, QueueContext } from "./backend.ts";
import {
  BYTES_A_TURN,
  HEADER_SIZE,
  PACKET_MAX,
  PACKET_MIN,
  PACKETS_A_TURN,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
} from "./packet.ts";
import { ReceiveBuffers } from "./receive_buffers.ts";

/** How long a packet waits for buffers that can hold all of it, in milliseconds. Then it is dropped. */
export const HOLD_MS = 1000;

/** What was agreed on about receiving. */
export interface ReceiveTerms {
  /** Whether a packet may fill several buffers. */
  readonly merge: boolean;
  /** The largest packet that is not to be segmented, header included. */
  readonly limit: number;
  /** How many bytes of buffers are worth having at hand. */
  target: number;
}

/** One receive queue and its port. */
export class Receiver {
  readonly #context: QueueContext;
  readonly #port: NetPort;
  readonly #poll: IoPoll;
  readonly #timer: IoTimer;
  #queue: Virtqueue | undefined;
  #buffers: ReceiveBuffers | undefined;
  #terms: ReceiveTerms | undefined;
  #enabled = false;
  /** Whether it waits for buffers. */
  #waiting = false;
  /** The length of a packet that has been read, and that the buffers at hand can't hold; 0 for none. */
  #pending = 0;
  /** The bytes of the buffers when that packet was read. */
  #held = 0;
  /** What one turn has moved. */
  #packets = 0;
  #bytes = 0;

  constructor(context: QueueContext, port: NetPort) {
    this.#context = context;
    this.#port = port;
    this.#poll = context.io.poll(port.fd, POLLIN, () => this.#run());
    this.#timer = context.io.timer(() => this.#timeout());
  }

  /** The driver has set the queue up. It is {@linkcode kick}ed after this. */
  start(queue: Virtqueue, terms: ReceiveTerms): void {
    this.#queue = queue;
    this.#terms = terms;
    this.#buffers = new ReceiveBuffers(queue, this.#context.memory);
    this.#waiting = true;
  }

  /** Gives all buffers back. A packet that waits for more of them is dropped. */
  stop(): void {
    this.#rest();
    if (this.#pending > 0) this.#context.metrics.add("rx_dropped");
    this.#pending = 0;
    this.#buffers?.release();
    this.#queue = undefined;
    this.#buffers = undefined;
  }

  /**
   * Whether packets are taken from the host: there is a link, and the queue is in use. It begins in a later turn: what
   * a driver did wrong must not become the error of whoever asks for this.
   */
  enable(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    this.#rest();
    if (!enabled || this.#queue === undefined) return;
    this.#waiting = true;
    this.#timer.set(0);
  }

  /** There may be buffers. */
  kick(): void {
    if (this.#waiting) this.#run();
  }

  /** A packet has come that the port's descriptor doesn't tell of. */
  arrived(): void {
    if (!this.#poll.armed) return;
    this.#poll.disarm();
    this.#run();
  }

  /** The limits have changed. */
  limitsChanged(): void {
    if (this.#timer.armed && !this.#waiting) this.#timer.set(0);
  }

  /** Ends its poll and its timer for good. */
  close(): void {
    this.#poll.close();
    this.#timer.clear();
  }

  #rest(): void {
    this.#waiting = false;
    this.#poll.disarm();
    this.#timer.clear();
  }

  #timeout(): void {
    if (this.#waiting && this.#pending > 0) {
      this.#pending = 0;
      this.#context.metrics.add("rx_dropped");
    }
    this.#run();
  }

  #run(): void {
    const queue = this.#queue;
    const buffers = this.#buffers;
    const terms = this.#terms;
    if (!this.#enabled || queue === undefined || buffers === undefined || terms === undefined) {
      return;
    }
    this.#waiting = false;
    this.#timer.clear();
    queue.ignore();
    this.#packets = 0;
    this.#bytes = 0;
    let more = true;
    for (let i = 0; more && i < PACKETS_A_TURN && this.#bytes < BYTES_A_TURN; i++) {
      more = this.#pending > 0
        ? this.#finish(queue, buffers)
        : this.#receive(queue, buffers, terms);
    }
    // Others have a turn before this goes on.
    if (more) this.#timer.set(0);
    queue.flush();
    if (this.#packets > 0) {
      this.#context.metrics.add("rx_packets", this.#packets);
      this.#context.metrics.add("rx_bytes", this.#bytes);
    }
  }

  /** Receives one packet. @returns whether to go on */
  #receive(queue: Virtqueue, buffers: ReceiveBuffers, terms: ReceiveTerms): boolean {
    const { limiter, io } = this.#context;
    const delay = limiter.delay(io.now);
    if (delay > 0) {
      this.#context.metrics.add("rx_throttled");
      this.#timer.set(delay);
      return false;
    }
    buffers.gather(terms.target);
    if (buffers.count === 0) return this.#wait(queue);
    const held = buffers.bytes;
    const length = buffers.readFrom(this.#port);
    if (length <= 0) return this.#unread(length);
    limiter.charge(Math.max(0, length - HEADER_SIZE));
    if (isUnfit(length, buffers, terms)) return this.#drop();
    if (length <= held) {
      this.#deliver(buffers, length);
    } else {
      this.#pending = length;
      this.#held = held;
    }
    return true;
  }

  /** Goes on with a packet that the buffers could not hold. @returns whether to go on */
  #finish(queue: Virtqueue, buffers: ReceiveBuffers): boolean {
    if (!buffers.gather(this.#pending)) {
      if (!buffers.full) return this.#wait(queue);
      this.#pending = 0;
      return this.#drop();
    }
    buffers.spill(this.#held, this.#pending);
    this.#deliver(buffers, this.#pending);
    this.#pending = 0;
    return true;
  }

  #deliver(buffers: ReceiveBuffers, length: number): void {
    buffers.deliver(length);
    this.#packets++;
    this.#bytes += length - HEADER_SIZE;
  }

  /** The buffers are taken again by the next packet. */
  #drop(): true {
    this.#context.metrics.add("rx_dropped");
    return true;
  }

  #wait(queue: Virtqueue): boolean {
    queue.flush();
    if (queue.watch()) {
      queue.ignore();
      return true;
    }
    this.#context.metrics.add("rx_no_buffers");
    this.#waiting = true;
    if (this.#pending > 0) this.#timer.set(HOLD_MS);
    return false;
  }

  #unread(result: number): false {
    if (result === -EAGAIN) {
      this.#poll.arm();
    } else {
      this.#context.metrics.add("rx_errors");
      this.#context.lost(-result);
    }
    return false;
  }
}

/** Whether a packet that was read is one that the driver can't be given. */
function isUnfit(length: number, buffers: ReceiveBuffers, terms: ReceiveTerms): boolean {
  // A tap makes none of these; whatever else is at the other end might.
  if (length < PACKET_MIN || length > PACKET_MAX) return true;
  if (length > buffers.bytes && !terms.merge) return true;
  if (length <= terms.limit) return false;
  return (buffers.gsoType & ~VIRTIO_NET_HDR_GSO_ECN) === VIRTIO_NET_HDR_GSO_NONE;
}

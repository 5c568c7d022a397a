/**
 * Towards the guest: fills its receive buffers with control packets first, then with data of the connections in
 * turn.
 *
 * A connection's data is read straight into the buffers, behind the places of the headers. How many buffers one
 * read is given doubles while it fills them all; drivers' buffers are small (Linux: 4 KiB).
 * @module
 */
import { type IoTimer, IOV_MAX, IoVectors } from "../../../src/ffi/mod.ts";
import type { RateLimiter, RateLimits } from "../../limits/mod.ts";
import type { DeviceContext } from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { type Virtqueue, VirtqueueError } from "../queue/virtqueue.ts";
import type { Connection } from "./connection.ts";
import { MAX_BATCH } from "./connection_owner.ts";
import { HEADER_SIZE, Op, PacketHeader } from "./packet.ts";
import type { Switch } from "./switch.ts";

/** How many packets are sent before others have their turn. */
const BURST = 256;
/** The most bytes that one connection sends before the next one's turn. */
const QUANTUM = 64 * 1024;

/** The receive queue of one device. */
export class Receiver {
  readonly #context: DeviceContext;
  readonly #switch: Switch;
  readonly #limiter: RateLimiter;
  readonly #timer: IoTimer;
  readonly #header = new PacketHeader();
  readonly #vectors = new IoVectors(IOV_MAX);
  /** The buffers of one read, and the room for data in each. */
  readonly #chains: readonly DescriptorChain[];
  readonly #rooms = new Float64Array(MAX_BATCH);
  #queue: Virtqueue | undefined = undefined;
  /** Whether the guest has no buffers, and will tell when it has. */
  #starved = false;

  /** @param size the most descriptors of the queue */
  constructor(context: DeviceContext, size: number, exchange: Switch, limiter: RateLimiter) {
    this.#context = context;
    this.#switch = exchange;
    this.#limiter = limiter;
    this.#timer = context.io.timer(() => this.serve());
    this.#chains = Array.from({ length: MAX_BATCH }, () => new DescriptorChain(size));
  }

  start(queue: Virtqueue | undefined): void {
    this.#queue = queue;
    this.#starved = false;
  }

  stop(): void {
    this.#queue = undefined;
    this.#timer.clear();
  }

  /** Other limits, from now on. */
  limit(limits: RateLimits, now: number): void {
    this.#limiter.set(limits, now);
    if (this.#queue !== undefined) this.#timer.set(0);
  }

  /** The guest has offered buffers. */
  kick(): void {
    this.#starved = false;
    this.serve();
  }

  /** Sends what there is, as far as there are buffers. */
  serve(): void {
    const queue = this.#queue;
    if (queue === undefined || this.#starved) return;
    queue.ignore();
    let left = BURST;
    while (left > 0) {
      const sent = this.#switch.hasControl ? this.#sendControl(queue) : this.#sendData(queue);
      if (sent === NOTHING) break;
      if (sent !== STARVED) left -= sent;
      else if (!queue.watch()) {
        this.#starved = true;
        this.#context.metrics.add("rx_no_buffers");
        break;
      }
    }
    queue.flush();
    if (left <= 0) this.#timer.set(0);
  }

  /** Sends the control packets that wait, as far as there are buffers for them now. */
  serveControl(): void {
    const queue = this.#queue;
    if (queue === undefined || this.#starved || !this.#switch.hasControl) return;
    while (this.#switch.hasControl && this.#sendControl(queue) !== STARVED);
    queue.flush();
  }

  /** @returns how many packets were sent, or {@linkcode STARVED} */
  #sendControl(queue: Virtqueue): number {
    const chain = this.#chains[0];
    if (!this.#pop(queue, chain)) return STARVED;
    this.#switch.nextControl(this.#header);
    this.#push(queue, chain, 0);
    return 1;
  }

  /** @returns how many packets were sent, at least 1 for a try; or {@linkcode NOTHING} or {@linkcode STARVED} */
  #sendData(queue: Virtqueue): number {
    if (this.#timer.armed) return NOTHING;
    const connection = this.#switch.nextData();
    if (connection === undefined) return NOTHING;
    const delay = this.#limiter.delay(this.#context.io.now);
    if (delay > 0) {
      this.#timer.set(delay);
      this.#context.metrics.add("rx_throttled");
      connection.again();
      return NOTHING;
    }
    const sent = this.#read(queue, connection);
    connection.again();
    return sent;
  }

  /** Reads once from a connection's stream into as many buffers as it deserves. */
  #read(queue: Virtqueue, connection: Connection): number {
    const { memory } = this.#context;
    const wanted = Math.min(connection.credit, QUANTUM);
    let room = 0;
    let chains = 0;
    let vectors = 0;
    while (chains < connection.batch && room < wanted) {
      const chain = this.#chains[chains];
      if (!this.#pop(queue, chain)) break;
      if (vectors + chain.count > IOV_MAX) {
        queue.unpop(chain);
        break;
      }
      const length = Math.min(wanted - room, chain.writableBytes - HEADER_SIZE);
      vectors += chain.writableVectors(memory, HEADER_SIZE, length, this.#vectors, vectors);
      this.#rooms[chains] = length;
      room += length;
      chains++;
    }
    if (chains === 0) return STARVED;
    const bytes = connection.read(this.#vectors, vectors);
    return this.#giveBack(queue, connection, chains, bytes, room);
  }

  /** Gives the guest the buffers that were filled, and leaves the others to it. */
  #giveBack(
    queue: Virtqueue,
    connection: Connection,
    chains: number,
    bytes: number,
    room: number,
  ): number {
    let used = 0;
    for (let rest = bytes; rest > 0; rest -= this.#rooms[used++]);
    for (let i = chains - 1; i >= used; i--) queue.unpop(this.#chains[i]);
    let rest = bytes;
    for (let i = 0; i < used; i++) {
      const length = Math.min(rest, this.#rooms[i]);
      connection.header(this.#header, Op.data, length);
      this.#push(queue, this.#chains[i], length);
      this.#limiter.charge(length);
      rest -= length;
    }
    if (bytes > 0) connection.sent(bytes, bytes === room);
    return Math.max(1, used);
  }

  /** @throws {VirtqueueError} for a buffer without room for any data */
  #pop(queue: Virtqueue, chain: DescriptorChain): boolean {
    if (!queue.pop(chain)) return false;
    if (chain.writableBytes > HEADER_SIZE) return true;
    throw new VirtqueueError(
      `a receive buffer of ${chain.writableBytes} bytes has no room for a header of ${HEADER_SIZE} and data`,
    );
  }

  #push(queue: Virtqueue, chain: DescriptorChain, length: number): void {
    this.#header.write(this.#context.memory, chain);
    queue.push(chain, HEADER_SIZE + length);
    this.#context.metrics.add("rx_packets");
    if (length > 0) this.#context.metrics.add("rx_bytes", length);
  }
}

/** There's nothing to send. */
const NOTHING = 0;
/** There are no buffers to send it in. */
const STARVED = -1;

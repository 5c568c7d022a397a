/**
 * The socket device's core: its three queues, and what paces them.
 *
 * | the guest controls                        | what bounds it                                                       |
 * | ----------------------------------------- | -------------------------------------------------------------------- |
 * | chains in its queues                      | the queue checks them; a bad one stops this device only                |
 * | packets                                   | their headers are read once, then judged by the switch                 |
 * | how many packets it sends                 | 256 in a row, then others have their turn; limits on bytes and packets |
 * | receive buffers too small for any data    | stop this device, which could send it nothing                          |
 * | whether it offers receive buffers at all  | what waits for them is bounded; the host's data waits in its sockets   |
 *
 * Source: virtio 1.2, 5.10.
 * @module
 */
import { type IoTimer, IoVectors } from "../../../src/ffi/mod.ts";
import {
  changeLimits,
  type LimitValues,
  RateLimiter,
  rateLimits,
  showLimits,
} from "../../limits/mod.ts";
import { type DeviceState, StateReader } from "../../state.ts";
import { type DeviceContext, DeviceError, type VirtioDevice } from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import { BusyStores, ByteStores } from "./byte_store.ts";
import { EventQueue } from "./event_queue.ts";
import type { Host, HostClient } from "./host.ts";
import { FIRST_GUEST_CID, HEADER_SIZE, LAST_GUEST_CID, Op, PacketHeader } from "./packet.ts";
import { Receiver } from "./receiver.ts";
import { Switch } from "./switch.ts";

/** The queues (5.10.2), and how many descriptors each has. */
export const Queue = { receive: 0, transmit: 1, event: 2 } as const;
export const QUEUE_SIZES: readonly number[] = [256, 256, 64];

/** What a guest may send on one connection before the host has taken it (`buf_alloc`), in bytes. */
export const BUFFER_SIZE = 256 * 1024;
/** The same for connections that much is sent on, of which there are so many at a time. */
export const BUSY_BUFFER_SIZE = 1024 * 1024;
export const BUSY_CONNECTIONS = 16;
const KEPT_BUSY_BUFFERS = 2;
/** How many buffers for stalled connections are kept when there are none. */
const KEPT_BUFFERS = 8;
/** How many packets are taken before others have their turn. */
const BURST = 256;

const VERSION = 1;

/** What a core is opened with. */
export interface VsockCoreOptions {
  readonly cid: number;
  /** The most connections at a time. */
  readonly connections: number;
  /** `rx-bandwidth` and so on, as users write them. */
  readonly limits: LimitValues;
}

/** The prefixes of the limits' names. */
export const DIRECTIONS = ["rx-", "tx-"] as const;

/** The core of one socket device. All its state belongs to its isolate. */
export class VsockDevice implements VirtioDevice {
  readonly #context: DeviceContext;
  readonly #switch: Switch;
  readonly #receiver: Receiver;
  readonly #events: EventQueue;
  readonly #transmitLimiter: RateLimiter;
  readonly #transmitTimer: IoTimer;
  readonly #deadlineTimer: IoTimer;
  readonly #header = new PacketHeader();
  readonly #chain = new DescriptorChain(QUEUE_SIZES[Queue.transmit]);
  #deadline = Infinity;
  #limits: LimitValues;
  #cid: number;
  #transmit: Virtqueue | undefined = undefined;
  #running = false;
  /** When it was stopped, in milliseconds; undefined where no driver was there since. */
  #stoppedAt: number | undefined = undefined;

  /** @param connect makes the host's side */
  constructor(
    context: DeviceContext,
    options: VsockCoreOptions,
    connect: (client: HostClient) => Host,
  ) {
    const { io, memory, metrics } = context;
    this.#context = context;
    this.#cid = options.cid;
    this.#limits = options.limits;
    this.#transmitLimiter = new RateLimiter(rateLimits(options.limits, "tx-", "packets"), io.now);
    this.#transmitTimer = io.timer(() => this.kick(Queue.transmit));
    this.#deadlineTimer = io.timer(() => this.#expire());
    // What the receiver and the switch ask of the device is for them alone.
    const cid = () => this.#cid;
    this.#switch = new Switch({
      memory,
      metrics,
      stores: new ByteStores(BUFFER_SIZE, KEPT_BUFFERS),
      busy: new BusyStores(BUSY_BUFFER_SIZE, BUSY_CONNECTIONS, KEPT_BUSY_BUFFERS),
      vectors: new IoVectors(QUEUE_SIZES[Queue.transmit]),
      limit: options.connections,
      get cid() {
        return cid();
      },
      now: () => io.now,
      running: () => this.#running,
      serve: () => this.#receiver.serve(),
      expectAt: (deadline) => this.#expectAt(deadline),
    }, connect);
    const limiter = new RateLimiter(rateLimits(options.limits, "rx-", "packets"), io.now);
    this.#receiver = new Receiver(context, QUEUE_SIZES[Queue.receive], this.#switch, limiter);
    this.#events = new EventQueue(memory, QUEUE_SIZES[Queue.event]);
    this.#switch.host.listen(true);
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    const { now } = this.#context.io;
    this.#running = true;
    this.#transmit = queues[Queue.transmit];
    this.#receiver.start(queues[Queue.receive]);
    this.#events.start(queues[Queue.event]);
    if (this.#stoppedAt !== undefined) this.#switch.postpone(now - this.#stoppedAt);
    this.#stoppedAt = undefined;
    this.#switch.host.listen(true);
    this.#expire();
  }

  kick(queue: number): void {
    if (!this.#running) return;
    if (queue === Queue.transmit) this.#takePackets();
    else if (queue === Queue.receive) this.#receiver.kick();
    else if (queue === Queue.event) this.#events.kick();
  }

  stop(): void {
    this.#running = false;
    this.#transmit = undefined;
    this.#receiver.stop();
    this.#events.stop();
    this.#transmitTimer.clear();
    this.#deadlineTimer.clear();
    this.#deadline = Infinity;
    this.#stoppedAt = this.#context.io.now;
    // Whoever connects meanwhile waits for the guest to go on.
    this.#switch.host.listen(false);
  }

  reset(): void {
    this.#stoppedAt = undefined;
    this.#switch.reset();
    this.#events.reset();
    // Without a driver nobody will answer, so whoever connects is turned away.
    this.#switch.host.listen(true);
  }

  /**
   * - `"limits"`: changes limits, given as an object such as `{ "rx-bandwidth": "50M/s" }`, and gives them all
   * - `"connections"`: the connections that there are, with their ports
   *
   * @throws {OptionsError} a limit that can't be
   * @throws {DeviceError} there's no such command
   */
  command(name: string, argument: unknown): unknown {
    if (name === "connections") return this.#connections();
    if (name !== "limits") {
      throw new DeviceError(`a socket device knows "limits" and "connections", not "${name}"`);
    }
    const { now } = this.#context.io;
    this.#limits = changeLimits(this.#limits, argument ?? {}, DIRECTIONS, "packets");
    this.#transmitLimiter.set(rateLimits(this.#limits, "tx-", "packets"), now);
    this.#receiver.limit(rateLimits(this.#limits, "rx-", "packets"), now);
    // What waited for the old limits looks again, and not in this call: a queue's fault is not the caller's.
    if (this.#running) this.#transmitTimer.set(0);
    return showLimits(this.#limits);
  }

  #connections(): unknown {
    const shown = [];
    for (const { guestPort, hostPort, state, stored } of this.#switch.connections()) {
      shown.push({ guestPort, hostPort, state, stored });
    }
    return shown;
  }

  save(): DeviceState {
    return { version: VERSION, cid: this.#cid };
  }

  /** Connections are not saved: the driver is told that all of them are gone (5.10.6.7.2). */
  restore(state: DeviceState): void {
    const reader = new StateReader("vsock", VERSION, state);
    const cid = reader.integer("cid", FIRST_GUEST_CID, LAST_GUEST_CID);
    reader.finish();
    if (cid !== this.#cid) {
      this.#cid = cid;
      this.#context.config.update(0, configuration(cid));
    }
    this.#events.announceReset();
  }

  close(): void {
    this.#switch.reset();
    this.#switch.host.close();
  }

  /** Takes the packets that the guest has sent. */
  #takePackets(): void {
    const queue = this.#transmit;
    if (queue === undefined || this.#transmitTimer.armed) return;
    const { io } = this.#context;
    let left = BURST;
    queue.ignore();
    do {
      while (left > 0) {
        const delay = this.#transmitLimiter.delay(io.now);
        if (delay > 0) {
          this.#transmitTimer.set(delay);
          if (queue.hasBuffers) this.#context.metrics.add("tx_throttled");
          left = 0;
        } else if (!this.#takePacket(queue)) break;
        else left--;
      }
      queue.flush();
    } while (left > 0 && queue.watch());
    if (left === 0 && !this.#transmitTimer.armed) this.#transmitTimer.set(0);
    this.#receiver.serve();
  }

  #takePacket(queue: Virtqueue): boolean {
    const chain = this.#chain;
    if (!queue.pop(chain)) return false;
    if (this.#header.read(this.#context.memory, chain)) {
      this.#switch.packet(this.#header, chain);
      this.#transmitLimiter.charge(chain.readableBytes - HEADER_SIZE);
    } else {
      this.#context.metrics.add("tx_malformed");
      this.#transmitLimiter.charge(0);
    }
    queue.push(chain, 0);
    // Who waits for credit goes on while the rest of what was sent is written.
    if (this.#header.op === Op.data) this.#receiver.serveControl();
    return true;
  }

  #expectAt(deadline: number): void {
    // While it is stopped no time passes for the guest.
    if (!this.#running || deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#deadlineTimer.set(Math.max(0, deadline - this.#context.io.now));
  }

  #expire(): void {
    this.#deadline = Infinity;
    this.#expectAt(this.#switch.expire(this.#context.io.now));
    this.#receiver.serve();
  }
}

/** The configuration space (5.10.4): the guest's context id, in 64 bits. */
export function configuration(cid: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, cid, true);
  return bytes;
}

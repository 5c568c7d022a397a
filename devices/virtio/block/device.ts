/**
 * The core of a disk: takes requests out of its queues, in turn, as fast as its limits allow.
 *
 * | the guest controls                           | what bounds it                                                  |
 * | -------------------------------------------- | --------------------------------------------------------------- |
 * | a buffer's pieces                            | the queue checks that they are RAM; the kernel copies in place  |
 * | a header that is short, no room for a status | the device stops (VirtqueueError)                               |
 * | type, flags                                  | what isn't known is VIRTIO_BLK_S_UNSUPP                         |
 * | sector and length                            | compared with the disk in exact numbers; else VIRTIO_BLK_S_IOERR |
 * | number and length of segments                | 32 of 1 GiB (zeroes: one), copied before they are checked       |
 * | header and data while the request runs       | the header is read once; data is only moved                     |
 * | how many requests at once                    | 128 of each queue are under way, the rest waits in the queue    |
 * | requests that end at once, without end       | 256 in a turn of the loop, then others have theirs              |
 * | memory for bounce buffers                    | 8 of 256 KiB; the rest waits                                    |
 * | its share of the host's disk                 | the limits; fair between its queues                             |
 * | the host's memory, of a disk in memory       | the disk's size: a page is taken when it is first written       |
 * | the write cache byte of the configuration    | 0 or not 0                                                      |
 *
 * @module
 */
import { errnoName, type IoScope, type IoTimer, syncData, SysError } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import {
  changeLimits,
  type LimitValues,
  RateLimiter,
  rateLimits,
  showLimits,
} from "../../limits/mod.ts";
import { readFaults } from "../../faults/mod.ts";
import { type DeviceState, StateReader } from "../../state.ts";
import { hasFeature } from "../features.ts";
import type { DeviceContext, VirtioDevice } from "../module.ts";
import { DeviceError } from "../module.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import { BouncePool } from "./buffers.ts";
import type { BlockCounter } from "./counters.ts";
import { type BlockBackend, Disk } from "./disk.ts";
import { BLOCK_FAULTS, type BlockFault } from "./fault_rules.ts";
import { BlockFaults, type FaultOwner } from "./faults.ts";
import { FlushGate } from "./flush_gate.ts";
import { Lane } from "./lane.ts";
import { resizedTo, usableSize } from "./size.ts";
import { ConfigOffset, encodeCapacity, Feature, ID_SIZE } from "./protocol.ts";
import type { BlockRequest, RequestOwner } from "./request.ts";

/** The most requests that are taken before the other devices of the loop have their turn. */
const REQUESTS_PER_TURN = 256;

const STATE_VERSION = 1;
/** The kernel's largest errno (MAX_ERRNO, linux/err.h). */
const MAX_ERRNO = 4095;

/** A disk that runs. */
export class BlockDevice implements VirtioDevice, RequestOwner, FaultOwner {
  readonly memory: GuestMemory;
  readonly io: IoScope;
  readonly disk: Disk;
  readonly gate: FlushGate;
  readonly bounces: BouncePool = new BouncePool();
  readonly serial: Uint8Array = new Uint8Array(ID_SIZE);
  readonly flushes: boolean;
  faults: BlockFaults | undefined;
  discards = false;
  zeroes = false;
  readonly #context: DeviceContext;
  readonly #backend: BlockBackend;
  readonly #lanes: readonly Lane[];
  readonly #limiter: RateLimiter;
  readonly #faults: BlockFaults;
  /** Goes on with the lanes that are ready: when a limit allows it, or after others had their turn. */
  readonly #wake: IoTimer;
  #limits: LimitValues;
  #started = false;
  /** Whether requests are being taken: those that are finished meanwhile are shown to the driver afterwards. */
  #taking = false;
  /** The lane whose turn it is. */
  #turn = 0;

  /** @param queues how many @throws {DeviceError} the disk can't be used any more */
  constructor(backend: BlockBackend, queues: number, context: DeviceContext) {
    const { io, memory, config } = context;
    this.#context = context;
    this.#backend = backend;
    this.memory = memory;
    this.io = io;
    this.gate = new FlushGate(io, backend.fd);
    this.disk = new Disk(backend, usableSize(backend), config.bytes, this.gate);
    this.flushes = backend.cache !== "unsafe" && !backend.readOnly;
    new TextEncoder().encodeInto(backend.serial, this.serial);
    this.#lanes = Array.from({ length: queues }, (_, index) => new Lane(this, index));
    this.#limits = backend.limits;
    this.#limiter = new RateLimiter(rateLimits(backend.limits), io.now);
    this.#wake = io.timer(() => this.#take());
    this.#faults = new BlockFaults(this);
    this.#setFaults(backend.faults);
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    this.disk.agree(features);
    this.discards = hasFeature(features, Feature.discard);
    this.zeroes = hasFeature(features, Feature.writeZeroes);
    const flush = hasFeature(features, Feature.flush);
    // A driver that can't flush has a write cache that is off (5.2.5.2), as is told here at the latest.
    if (!flush && hasFeature(features, Feature.configWce)) this.#setWriteback(0);
    this.#showCapacity();
    this.bounces.reset();
    for (const [index, lane] of this.#lanes.entries()) lane.start(queues[index]);
    this.#started = true;
  }

  kick(queue: number): void {
    this.#lanes[queue].kick();
    // A timer that runs means that nothing may be taken before.
    if (!this.#wake.armed) this.#take();
  }

  stop(gone: boolean): void {
    this.#started = false;
    this.#wake.clear();
    this.#faults.stop(gone);
  }

  reset(): void {
    this.#setWriteback(this.#backend.cache === "writethrough" ? 0 : 1);
  }

  /** Takes requests from the lanes in turn, while there are any and the limits allow it. */
  #take(): void {
    if (!this.#started || this.#taking) return;
    this.#taking = true;
    try {
      this.#takeInTurn();
    } finally {
      this.#taking = false;
    }
    for (let i = 0; i < this.#lanes.length; i++) this.#lanes[i].flush();
  }

  #takeInTurn(): void {
    for (let left = REQUESTS_PER_TURN; left > 0; left--) {
      const lane = this.#nextLane();
      if (lane === undefined) return;
      const delay = this.#limiter.delay(this.io.now);
      if (delay > 0) {
        this.count("throttled", 1);
        return this.#wake.set(delay);
      }
      const request = lane.take();
      if (request !== undefined) this.#limiter.charge(request.begin());
    }
    this.#wake.set(0);
  }

  /** The next lane that is ready, if there is one. */
  #nextLane(): Lane | undefined {
    const lanes = this.#lanes;
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[this.#turn];
      this.#turn = (this.#turn + 1) % lanes.length;
      if (lane.ready) return lane;
    }
    return undefined;
  }

  finished(request: BlockRequest, written: number): void {
    const lane = this.#lanes[request.queue];
    lane.giveBack(request, written);
    if (this.#taking) return;
    lane.flush();
    if (lane.ready && !this.#wake.armed) this.#take();
  }

  failed(errno: number, what: string): void {
    this.count("failed", 1);
    this.#context.log(`${what} of ${this.#backend.path} failed with ${errnoName(errno)}`);
  }

  count(counter: BlockCounter, amount: number): void {
    this.#context.metrics.add(counter, amount);
  }

  command(name: string, argument: unknown): unknown {
    switch (name) {
      case "faults":
        if (argument !== undefined && argument !== null) {
          this.#setFaults(readFaults(BLOCK_FAULTS, argument));
        }
        return this.#faults.show();
      case "limits":
        return this.#setLimits(argument);
      case "resize":
        return this.#resize(argument);
      case "flush":
        return this.#flush();
      default:
        throw new DeviceError(`a disk knows faults, limits, resize and flush, not ${name}`);
    }
  }

  #setFaults(faults: readonly BlockFault[]): void {
    this.#faults.set(faults);
    this.faults = this.#faults.active ? this.#faults : undefined;
  }

  #setLimits(wish: unknown): unknown {
    this.#limits = changeLimits(this.#limits, wish);
    this.#limiter.set(rateLimits(this.#limits), this.io.now);
    // Not from inside this call: what a driver did wrong is not for whoever changes limits.
    if (this.#started) this.#wake.set(0);
    return showLimits(this.#limits);
  }

  #resize(wish: unknown): unknown {
    this.disk.size = resizedTo(this.#backend, wish);
    this.#showCapacity();
    return { size: this.disk.size };
  }

  #flush(): unknown {
    if (this.#backend.readOnly) return {};
    try {
      syncData(this.#backend.fd, `flushing ${this.#backend.path}`);
    } catch (error) {
      // The guest's next flush would not be told.
      if (error instanceof SysError) this.gate.lose(error.errno);
      throw error;
    }
    return {};
  }

  /** A flush that failed is never taken back, by no restore either. Limits are the host's wish, not state. */
  save(): DeviceState {
    return { version: STATE_VERSION, lostWrites: this.gate.lost };
  }

  restore(state: DeviceState): void {
    const reader = new StateReader("block", STATE_VERSION, state);
    const lost = reader.integer("lostWrites", 0, MAX_ERRNO);
    reader.finish();
    if (lost !== 0) this.gate.lose(lost);
  }

  close(): void {
    this.#wake.clear();
  }

  #showCapacity(): void {
    this.#setConfig(ConfigOffset.capacity, encodeCapacity(this.disk.size));
  }

  #setWriteback(value: number): void {
    this.#setConfig(ConfigOffset.writeback, Uint8Array.of(value));
  }

  /** Changes the configuration where it is different. */
  #setConfig(offset: number, field: Uint8Array): void {
    const { config } = this.#context;
    if (field.some((byte, i) => config.bytes[offset + i] !== byte)) config.update(offset, field);
  }
}

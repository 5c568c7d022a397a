/**
 * One request of the driver, from its header to its status byte (virtio 1.2, 5.2.6). Requests are used again.
 * @module
 */
import {
  EAGAIN,
  EINTR,
  EIO,
  type IoOperation,
  type IoScope,
  IoVectors,
} from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { VirtqueueError } from "../queue/virtqueue.ts";
import type { BouncePool } from "./buffers.ts";
import type { BlockCounter } from "./counters.ts";
import type { Disk } from "./disk.ts";
import type { BlockFaults, FaultyRequest, Omission } from "./faults.ts";
import type { FlushGate, FlushWaiter } from "./flush_gate.ts";
import { HEADER_SIZE, QUEUE_SIZE, RequestStatus, RequestType, SECTOR_SIZE } from "./protocol.ts";
import { Ranges } from "./ranges.ts";
import { spoil } from "./spoil.ts";
import { Transfer } from "./transfer.ts";
import type { Work, WorkSite } from "./work.ts";

/** How often a call is tried again that the kernel had no room for. */
const MOST_ATTEMPTS = 100;

/** What faults call the types of requests; the others never reach the medium. */
const OPS: ReadonlyMap<number, FaultyRequest["op"]> = new Map([
  [RequestType.in, "read"],
  [RequestType.out, "write"],
  [RequestType.writeZeroes, "write"],
  [RequestType.flush, "flush"],
  [RequestType.discard, "discard"],
]);

/** What requests share, and whom they come back to. */
export interface RequestOwner {
  readonly memory: GuestMemory;
  readonly io: IoScope;
  readonly disk: Disk;
  readonly gate: FlushGate;
  readonly bounces: BouncePool;
  /** What goes wrong on purpose, if anything does. */
  readonly faults: BlockFaults | undefined;
  /** What VIRTIO_BLK_T_GET_ID gives, padded with NULs. */
  readonly serial: Uint8Array;
  /** Whether the driver may send discards. */
  readonly discards: boolean;
  /** Whether the driver may send write zeroes. */
  readonly zeroes: boolean;
  /** Whether flushes do anything. */
  readonly flushes: boolean;
  /** The status is written: the buffer can go back. @param written as {@linkcode Virtqueue.push} wants it */
  finished(request: BlockRequest, written: number): void;
  /** The host failed. */
  failed(errno: number, what: string): void;
  count(counter: BlockCounter, amount: number): void;
}

/** A request with all that it needs on its way: nothing is allocated for it any more. */
export class BlockRequest implements WorkSite, FlushWaiter, FaultyRequest {
  readonly chain: DescriptorChain = new DescriptorChain(QUEUE_SIZE);
  readonly vectors: IoVectors = new IoVectors(QUEUE_SIZE);
  readonly memory: GuestMemory;
  readonly disk: Disk;
  readonly bounces: BouncePool;
  readonly operation: IoOperation;
  /** The index of the queue that it came from. */
  readonly queue: number;
  readonly #owner: RequestOwner;
  readonly #transfer: Transfer;
  readonly #ranges: Ranges;
  readonly #header = new Uint8Array(HEADER_SIZE);
  readonly #headerView = new DataView(this.#header.buffer);
  #work: Work;
  #attempts = 0;
  /** The guest physical address of the status byte. */
  #status = 0;
  #type = 0;
  #bytes = 0;
  #omission: Omission | undefined;
  /** The first byte on the disk, as the header has it. */
  offset = 0;

  constructor(owner: RequestOwner, queue: number) {
    this.#owner = owner;
    this.queue = queue;
    this.memory = owner.memory;
    this.disk = owner.disk;
    this.bounces = owner.bounces;
    this.operation = owner.io.operation((result) => this.#completed(result));
    this.#transfer = new Transfer(this);
    this.#ranges = new Ranges(this);
    this.#work = this.#transfer;
  }

  /** Forgets what it was doing: nothing of it is under way, and its buffer is gone. */
  forget(): void {
    this.#transfer.forget();
  }

  /**
   * Begins what its chain asks for; it may be finished before this returns.
   *
   * @returns how many bytes it moves, for the limits
   * @throws {VirtqueueError} a buffer that is no request: not even an error can be reported in it
   */
  begin(): number {
    const { chain } = this;
    if (chain.readableBytes < HEADER_SIZE) {
      const size = chain.readableBytes;
      throw new VirtqueueError(`a block request has a header of ${size} bytes, not ${HEADER_SIZE}`);
    }
    if (chain.writableBytes === 0) {
      throw new VirtqueueError("a block request has no room for its status");
    }
    this.#status = lastWritable(chain);
    this.#attempts = 0;
    this.#bytes = 0;
    this.#omission = undefined;
    this.offset = this.#readHeader() * SECTOR_SIZE;
    const { faults } = this.#owner;
    return faults === undefined ? this.carryOut() : this.#expose(faults);
  }

  carryOut(omission?: Omission): number {
    // Reads are spoilt afterwards; all else is left out.
    let left: Omission | undefined;
    if (omission !== undefined) {
      this.#omission = this.#whole(omission);
      left = omission.as === "done" || omission.as === "failed" ? this.#omission : undefined;
    }
    switch (this.#type) {
      case RequestType.in:
      case RequestType.out:
        this.#work = this.#transfer;
        this.#bytes = this.room;
        return this.#transfer.begin(
          this.#type === RequestType.out,
          this.offset,
          left,
        );
      case RequestType.flush:
        return left === undefined ? this.#flush() : this.#pretend();
      case RequestType.getId:
        return this.#getId();
      case RequestType.discard:
        return this.#owner.discards ? this.#range(false, left) : this.#unsupported();
      case RequestType.writeZeroes:
        return this.#owner.zeroes ? this.#range(true, left) : this.#unsupported();
      default:
        return this.#unsupported();
    }
  }

  /** Reads type and sector, each once. @returns the sector; beyond 2^53 it is not exact, and out of range anyway */
  #readHeader(): number {
    const { chain, memory } = this;
    if (chain.lengths[0] >= HEADER_SIZE) {
      const at = chain.addresses[0];
      this.#type = memory.readU32(at);
      return memory.readU32(at + 8) + memory.readU32(at + 12) * 0x1_0000_0000;
    }
    chain.read(memory, 0, this.#header);
    this.#type = this.#headerView.getUint32(0, true);
    const high = this.#headerView.getUint32(12, true);
    return this.#headerView.getUint32(8, true) + high * 0x1_0000_0000;
  }

  #flush(): number {
    if (this.#owner.flushes) this.#owner.gate.request(this);
    else this.done(0);
    return 0;
  }

  #getId(): number {
    const { serial } = this.#owner;
    const room = Math.min(this.chain.writableBytes - 1, serial.length);
    this.chain.write(this.memory, 0, serial.subarray(0, room));
    this.done(room);
    return 0;
  }

  #range(zeroes: boolean, omission: Omission | undefined): number {
    this.#work = this.#ranges;
    return this.#ranges.begin(zeroes, omission);
  }

  /** Has faults look at it. */
  #expose(faults: BlockFaults): number {
    if (this.op === "discard" || this.#type === RequestType.writeZeroes) {
      this.#ranges.peek();
      this.offset = this.#ranges.first;
    }
    return faults.begin(this);
  }

  get op(): FaultyRequest["op"] {
    return OPS.get(this.#type);
  }

  touches(from: number, to: number): boolean {
    switch (this.#type) {
      case RequestType.in:
      case RequestType.out:
        return this.offset < to && this.offset + this.room > from;
      case RequestType.flush:
        return false;
      default:
        return this.#ranges.touches(from, to);
    }
  }

  refuse(errno: number): void {
    this.fail(errno, `a ${this.op} at byte ${this.offset}, by a fault that is set,`);
  }

  drop(): void {
    this.#finish(RequestStatus.ioError, 0);
  }

  /** How many bytes of data it has or wants. */
  get room(): number {
    const { readableBytes, writableBytes } = this.chain;
    return this.#type === RequestType.in ? writableBytes - 1 : readableBytes - HEADER_SIZE;
  }

  /** What is left out, in whole blocks. */
  #whole({ from, to, as, bit }: Omission): Omission {
    const { blockSize } = this.disk;
    const whole = (bytes: number, round: (blocks: number) => number) =>
      round(bytes / blockSize) * blockSize;
    return { from: whole(from, Math.floor), to: whole(to, Math.ceil), as, bit };
  }

  /** Says that it is done. */
  #pretend(): number {
    this.done(0);
    return 0;
  }

  #unsupported(): number {
    this.reject(RequestStatus.unsupported);
    return 0;
  }

  #completed(result: number): void {
    const again = result === -EINTR || result === -EAGAIN;
    if (again && ++this.#attempts < MOST_ATTEMPTS) return this.#work.issue();
    if (!again) this.#attempts = 0;
    this.#work.advance(result);
  }

  flushed(errno: number): void {
    if (errno === 0) this.done(0);
    else this.fail(errno, "a flush");
  }

  doneWhenDurable(): void {
    this.#owner.gate.request(this);
  }

  done(written: number): void {
    const owner = this.#owner;
    if (this.#omission !== undefined) {
      if (this.#omission.as === "failed") return this.refuse(EIO);
      if (this.op === "read") spoil(this, this.#omission, this.offset, written);
    }
    switch (this.#type) {
      case RequestType.in:
        owner.count("reads", 1);
        owner.count("read_bytes", this.#bytes);
        break;
      case RequestType.out:
        owner.count("writes", 1);
        owner.count("written_bytes", this.#bytes);
        break;
      case RequestType.flush:
        owner.count("flushes", 1);
        break;
      case RequestType.discard:
        owner.count("discards", 1);
        break;
      case RequestType.writeZeroes:
        owner.count("write_zeroes", 1);
        break;
    }
    this.#finish(RequestStatus.ok, written);
  }

  reject(status: RequestStatus): void {
    this.#owner.count("rejected", 1);
    this.#finish(status, 0);
  }

  fail(errno: number, what: string): void {
    this.#owner.failed(errno, what);
    this.#finish(RequestStatus.ioError, 0);
  }

  #finish(status: RequestStatus, written: number): void {
    this.memory.writeU8(this.#status, status);
    // Only bytes from the start on may be reported: the status, the last, counts if all before it were written.
    const { writableBytes } = this.chain;
    this.#owner.finished(this, written === writableBytes - 1 ? writableBytes : written);
  }
}

/** Where the last byte of the device-writable part is; there is one. */
function lastWritable(chain: DescriptorChain): number {
  let last = chain.count - 1;
  while (chain.lengths[last] === 0) last--;
  return chain.addresses[last] + chain.lengths[last] - 1;
}

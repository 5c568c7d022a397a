/**
 * Reads and writes: data between the disk and the guest's buffers, in place where that is possible.
 * @module
 */
import { EIO, type IoVectors } from "../../../src/ffi/mod.ts";
import { type AlignedBuffer, BOUNCE_SIZE } from "./buffers.ts";
import type { Omission } from "./faults.ts";
import { HEADER_SIZE, RequestStatus } from "./protocol.ts";
import type { Work, WorkSite } from "./work.ts";

/** One transfer at a time; what the kernel does in part is continued. */
export class Transfer implements Work {
  readonly #site: WorkSite;
  #write = false;
  #flags = 0;
  /** The first byte on the disk. */
  #offset = 0;
  #length = 0;
  /** Where the part under way ends: before the part that is left out, or at the end. */
  #stop = 0;
  /** Where what comes after that begins. */
  #next = 0;
  #done = 0;
  #bounce: AlignedBuffer | undefined;

  constructor(site: WorkSite) {
    this.#site = site;
  }

  /**
   * Begins.
   *
   * @param offset the first byte; any number, it is checked here
   * @param omission what isn't moved, although all else goes on as if it was
   * @returns how many bytes are to be moved
   */
  begin(write: boolean, offset: number, omission?: Omission): number {
    const { chain, disk } = this.#site;
    const length = write ? chain.readableBytes - HEADER_SIZE : chain.writableBytes - 1;
    if ((write && disk.readOnly) || !disk.holds(offset, length)) {
      this.#site.reject(RequestStatus.ioError);
      return 0;
    }
    this.#write = write;
    this.#flags = write ? disk.writeFlags : 0;
    this.#offset = offset;
    this.#length = length;
    this.#stop = length;
    this.#next = length;
    this.#done = 0;
    if (omission !== undefined) this.#leaveOut(omission);
    if (this.#done === length) this.#site.done(write ? 0 : length);
    else this.issue();
    return length;
  }

  #leaveOut({ from, to }: Omission): void {
    const start = Math.max(from - this.#offset, 0);
    const end = Math.min(to - this.#offset, this.#length);
    if (start >= end) return;
    // Nothing comes before it, or something does.
    if (start === 0) {
      this.#done = end;
    } else {
      this.#stop = start;
      this.#next = end;
    }
  }

  issue(): void {
    const { chain, memory, disk, vectors } = this.#site;
    const rest = this.#stop - this.#done;
    const count = this.#write
      ? chain.readableVectors(memory, HEADER_SIZE + this.#done, rest, vectors)
      : chain.writableVectors(memory, this.#done, rest, vectors);
    if (this.#bounce === undefined && !aligned(vectors, count, disk.alignment)) {
      this.#bounce = this.#site.bounces.acquire(this);
      if (this.#bounce === undefined) return;
    }
    this.#start(this.#bounce === undefined ? count : this.#fill(this.#bounce, rest));
  }

  /** Puts the bounce buffer in the place of the guest's. @returns the number of vectors: one */
  #fill(bounce: AlignedBuffer, rest: number): number {
    const { chain, memory, vectors } = this.#site;
    const piece = Math.min(rest, BOUNCE_SIZE);
    if (this.#write) {
      chain.read(memory, HEADER_SIZE + this.#done, bounce.bytes.subarray(0, piece));
    }
    vectors.set(0, bounce.address, piece);
    return 1;
  }

  #start(count: number): void {
    const { operation, disk, vectors } = this.#site;
    const at = this.#offset + this.#done;
    if (this.#write) operation.writev(disk.fd, vectors, count, at, this.#flags);
    else operation.readv(disk.fd, vectors, count, at);
  }

  forget(): void {
    this.#bounce = undefined;
  }

  advance(result: number): void {
    // A file that ends before the disk does was cut behind our back.
    if (result <= 0) return this.#fail(result === 0 ? EIO : -result);
    if (this.#bounce !== undefined && !this.#write) {
      const { chain, memory } = this.#site;
      chain.write(memory, this.#done, this.#bounce.bytes.subarray(0, result));
    }
    this.#done += result;
    if (this.#done < this.#stop) return this.issue();
    if (this.#stop < this.#length) {
      this.#done = this.#next;
      this.#stop = this.#length;
      if (this.#done < this.#length) return this.issue();
    }
    this.#release();
    this.#site.done(this.#write ? 0 : this.#length);
  }

  #fail(errno: number): void {
    this.#release();
    const at = this.#offset + this.#done;
    const what = `a ${this.#write ? "write" : "read"} of ${
      this.#length - this.#done
    } bytes at byte ${at}`;
    if (this.#write) this.#site.disk.writeFailed(errno, this.#flags);
    this.#site.fail(errno, what);
  }

  #release(): void {
    const bounce = this.#bounce;
    this.#bounce = undefined;
    if (bounce !== undefined) this.#site.bounces.release(bounce);
  }
}

/** Whether O_DIRECT would take these vectors. */
function aligned(vectors: IoVectors, count: number, alignment: number): boolean {
  if (alignment === 1) return true;
  for (let i = 0; i < count; i++) {
    if (vectors.addressOf(i) % alignment !== 0 || vectors.lengthOf(i) % alignment !== 0) {
      return false;
    }
  }
  return true;
}

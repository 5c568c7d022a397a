/**
 * Discards and zeroes: requests about ranges of the disk that carry no data.
 *
 * A discard is a hint (5.2.6.2: the device MAY deallocate), so a host that can't free blocks does nothing. Zeroes are
 * a promise: where the host's file system has no call for them, they are written.
 * @module
 */
import {
  EINVAL,
  EIO,
  ENOSYS,
  EOPNOTSUPP,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../../../src/ffi/mod.ts";
import { ZEROS } from "./buffers.ts";
import type { Omission } from "./faults.ts";
import {
  HEADER_SIZE,
  MAX_DISCARD_SEGMENTS,
  MAX_SEGMENT_SECTORS,
  MAX_ZERO_SEGMENTS,
  RequestStatus,
  SECTOR_SIZE,
  SEGMENT_SIZE,
  SEGMENT_UNMAP,
} from "./protocol.ts";
import type { Work, WorkSite } from "./work.ts";

/** How much is zeroed by one write. */
const ZERO_PIECE = 1024 * 1024;

/** How a range is dealt with. */
const Method = { punch: 0, zero: 1, write: 2 } as const;
type Method = typeof Method[keyof typeof Method];

/** The segments of one request at a time, one after another. */
export class Ranges implements Work {
  readonly #site: WorkSite;
  /** A copy of the segments: the guest may change its own at any time. What is left out makes two of one. */
  readonly #bytes = new Uint8Array(2 * MAX_DISCARD_SEGMENTS * SEGMENT_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  #zeroes = false;
  #count = 0;
  /** The next segment. */
  #next = 0;
  #method: Method = Method.punch;
  #flags = 0;
  #offset = 0;
  #rest = 0;

  constructor(site: WorkSite) {
    this.#site = site;
  }

  /** Looks at what it is about, before it begins. */
  peek(): void {
    const { chain, memory } = this.#site;
    const count = Math.floor((chain.readableBytes - HEADER_SIZE) / SEGMENT_SIZE);
    this.#count = Math.min(count, MAX_DISCARD_SEGMENTS);
    chain.read(memory, HEADER_SIZE, this.#bytes.subarray(0, this.#count * SEGMENT_SIZE));
  }

  /** After {@linkcode peek}: the first byte of the first range; 0 where there is none. */
  get first(): number {
    return this.#count === 0 ? 0 : this.#segmentOffset(0);
  }

  /** After {@linkcode peek}: whether any of it lies in a range of bytes. */
  touches(from: number, to: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      const offset = this.#segmentOffset(i);
      if (offset < to && offset + this.#segmentSectors(i) * SECTOR_SIZE > from) return true;
    }
    return false;
  }

  /** Begins. @param omission what isn't done @returns how many bytes are to be written */
  begin(zeroes: boolean, omission?: Omission): number {
    const { chain, memory, disk } = this.#site;
    this.#zeroes = zeroes;
    const size = chain.readableBytes - HEADER_SIZE;
    this.#count = size / SEGMENT_SIZE;
    this.#next = 0;
    const most = zeroes ? MAX_ZERO_SEGMENTS : MAX_DISCARD_SEGMENTS;
    let status: RequestStatus = RequestStatus.ioError;
    if (Number.isInteger(this.#count) && this.#count >= 1 && this.#count <= most) {
      chain.read(memory, HEADER_SIZE, this.#bytes.subarray(0, size));
      status = this.#check();
    }
    if (status !== RequestStatus.ok) {
      this.#site.reject(status);
      return 0;
    }
    if (omission !== undefined) this.#leaveOut(omission);
    this.#flags = disk.writeFlags;
    const bytes = zeroes && !disk.canZero ? this.#total() : 0;
    this.#segment();
    return bytes;
  }

  /** Whether all segments are allowed (5.2.6.2). */
  #check(): RequestStatus {
    const { disk } = this.#site;
    let status: RequestStatus = disk.readOnly ? RequestStatus.ioError : RequestStatus.ok;
    for (let i = 0; i < this.#count; i++) {
      const allowed = this.#zeroes ? SEGMENT_UNMAP : 0;
      if ((this.#segmentFlags(i) & ~allowed) !== 0) return RequestStatus.unsupported;
      const sectors = this.#segmentSectors(i);
      const inside = disk.holds(this.#segmentOffset(i), sectors * SECTOR_SIZE);
      if (sectors > MAX_SEGMENT_SECTORS || !inside) status = RequestStatus.ioError;
    }
    return status;
  }

  /** Cuts a range of bytes out of all segments. */
  #leaveOut({ from, to }: Omission): void {
    const pieces: [offset: number, end: number, flags: number][] = [];
    for (let i = 0; i < this.#count; i++) {
      const offset = this.#segmentOffset(i);
      const end = offset + this.#segmentSectors(i) * SECTOR_SIZE;
      const flags = this.#segmentFlags(i);
      if (offset < from) pieces.push([offset, Math.min(end, from), flags]);
      if (end > to) pieces.push([Math.max(offset, to), end, flags]);
    }
    this.#count = pieces.length;
    for (const [i, [offset, end, flags]] of pieces.entries()) {
      const sector = offset / SECTOR_SIZE;
      this.#view.setUint32(i * SEGMENT_SIZE, sector, true);
      this.#view.setUint32(i * SEGMENT_SIZE + 4, sector / 0x1_0000_0000, true);
      this.#view.setUint32(i * SEGMENT_SIZE + 8, (end - offset) / SECTOR_SIZE, true);
      this.#view.setUint32(i * SEGMENT_SIZE + 12, flags, true);
    }
  }

  #segmentOffset(index: number): number {
    const at = index * SEGMENT_SIZE;
    const high = this.#view.getUint32(at + 4, true);
    return (this.#view.getUint32(at, true) + high * 0x1_0000_0000) * SECTOR_SIZE;
  }

  #segmentSectors(index: number): number {
    return this.#view.getUint32(index * SEGMENT_SIZE + 8, true);
  }

  #segmentFlags(index: number): number {
    return this.#view.getUint32(index * SEGMENT_SIZE + 12, true);
  }

  #total(): number {
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) bytes += this.#segmentSectors(i) * SECTOR_SIZE;
    return bytes;
  }

  /** Begins the next segment that has something to do, or ends. */
  #segment(): void {
    const { disk } = this.#site;
    while (this.#next < this.#count) {
      const index = this.#next++;
      this.#offset = this.#segmentOffset(index);
      this.#rest = this.#segmentSectors(index) * SECTOR_SIZE;
      const unmap = (this.#segmentFlags(index) & SEGMENT_UNMAP) !== 0;
      if (!this.#zeroes) {
        this.#shrink(disk.granularity);
        if (!disk.canPunch) continue;
      }
      if (this.#rest <= 0) continue;
      if (!this.#zeroes || (unmap && disk.canPunch)) this.#method = Method.punch;
      else this.#method = disk.canZero ? Method.zero : Method.write;
      return this.issue();
    }
    if (this.#zeroes && this.#flags !== 0) this.#site.doneWhenDurable();
    else this.#site.done(0);
  }

  /** Leaves out blocks of the host's that the range covers in part: they can't be freed. */
  #shrink(granularity: number): void {
    const start = Math.ceil(this.#offset / granularity) * granularity;
    const end = Math.floor((this.#offset + this.#rest) / granularity) * granularity;
    this.#offset = start;
    this.#rest = end - start;
  }

  issue(): void {
    const { operation, disk } = this.#site;
    if (this.#method === Method.write) return this.#writeZeros();
    const how = this.#method === Method.punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    operation.fallocate(disk.fd, how | FALLOC_FL_KEEP_SIZE, this.#offset, this.#rest);
  }

  #writeZeros(): void {
    const { operation, vectors, disk } = this.#site;
    const length = Math.min(this.#rest, ZERO_PIECE);
    let count = 0;
    // A queue with few descriptors has few vectors: then the pieces are smaller.
    for (let at = 0; at < length && count < vectors.capacity; at += ZEROS.bytes.length) {
      vectors.set(count++, ZEROS.address, Math.min(length - at, ZEROS.bytes.length));
    }
    operation.writev(disk.fd, vectors, count, this.#offset, this.#flags);
  }

  advance(result: number): void {
    if (result < 0) return this.#failed(-result);
    if (this.#method !== Method.write) return this.#segment();
    if (result === 0) return this.#failed(EIO);
    this.#offset += result;
    this.#rest -= result;
    if (this.#rest > 0) this.issue();
    else this.#segment();
  }

  #failed(errno: number): void {
    const { disk } = this.#site;
    const cannot = errno === EOPNOTSUPP || errno === ENOSYS;
    // A block device with larger sectors than ours refuses what isn't aligned to them.
    if (this.#method !== Method.write && (cannot || errno === EINVAL)) {
      if (cannot && this.#method === Method.punch) disk.canPunch = false;
      if (cannot && this.#method === Method.zero) disk.canZero = false;
      if (!this.#zeroes) return this.#segment();
      this.#method = this.#method === Method.punch && disk.canZero ? Method.zero : Method.write;
      return this.issue();
    }
    if (this.#method === Method.write) disk.writeFailed(errno, this.#flags);
    const verb = this.#zeroes ? "zeroing" : "discarding";
    this.#site.fail(errno, `${verb} ${this.#rest} bytes at byte ${this.#offset}`);
  }
}

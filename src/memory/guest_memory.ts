/**
 * Guest memory: RAM at guest physical addresses, checked at every access.
 *
 * Threat table:
 *
 * | the guest controls                          | what bounds it                                          |
 * | ------------------------------------------- | ------------------------------------------------------- |
 * | addresses and lengths that devices read     | every access finds its region or throws                  |
 * | ranges that end outside RAM or wrap around  | the end is computed in exact integers and compared       |
 * | the contents, at any moment, on other vCPUs | values are read once; ring indices go through Atomics    |
 *
 * Addresses and lengths are numbers: 2^53 is beyond any guest's physical address space.
 * @module
 */
import { bufferAddress } from "../ffi/mapping.ts";

/** Backing of one piece of RAM: where it is for the guest, and where its bytes are for us. */
export interface MemoryRegionSpec {
  /** The first guest physical address. */
  readonly guestAddress: number;
  /** Bytes. */
  readonly size: number;
  /** The buffer that holds the bytes. */
  readonly buffer: SharedArrayBuffer;
  /** Where in the buffer the region begins, a multiple of eight. */
  readonly byteOffset: number;
  /** Whether its pages are of no descriptor; they are given back to the host in another way (madvise(2)). */
  readonly anonymous?: boolean;
}

/** What is posted to a Worker so that it can {@link GuestMemory.attach} to the same RAM. */
export interface GuestMemorySpec {
  readonly regions: readonly MemoryRegionSpec[];
}

/** An access to a range of guest addresses that is not wholly RAM, or that is not aligned as it must be. */
export class GuestMemoryError extends Error {
  override readonly name = "GuestMemoryError";

  constructor(
    message: string,
    /** The first guest physical address of the access. */
    readonly guestAddress: number,
    /** The length of the access in bytes. */
    readonly length: number,
  ) {
    super(message);
  }
}

/** A region with its views, made once for each isolate. */
class Region {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly view: DataView<SharedArrayBuffer>;
  readonly halves: Uint16Array<SharedArrayBuffer>;
  /** Where `start` is in this process. */
  readonly hostAddress: number;

  constructor(spec: MemoryRegionSpec) {
    const { guestAddress, size, buffer, byteOffset } = spec;
    for (const [field, value] of Object.entries({ guestAddress, size, byteOffset })) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw new RangeError(`a memory region's ${field} can't be ${value}`);
      }
    }
    if (byteOffset % 8 !== 0 || guestAddress % 8 !== 0) {
      throw new RangeError(`the memory region at ${hex(guestAddress)} is not aligned to 8 bytes`);
    }
    this.start = guestAddress;
    this.end = guestAddress + size;
    this.bytes = new Uint8Array(buffer, byteOffset, size);
    this.view = new DataView(buffer, byteOffset, size);
    this.halves = new Uint16Array(buffer, byteOffset, Math.floor(size / 2));
    this.hostAddress = bufferAddress(buffer) + byteOffset;
  }
}

/** The RAM of one guest. All methods take guest physical addresses and throw {@link GuestMemoryError}. */
export class GuestMemory {
  /** What {@link GuestMemory.attach} takes in another isolate. */
  readonly spec: GuestMemorySpec;
  /** The total of all regions in bytes. */
  readonly size: number;
  readonly #regions: readonly Region[];
  #last: Region;

  private constructor(spec: GuestMemorySpec) {
    if (spec.regions.length === 0) throw new RangeError("guest memory needs at least one region");
    const sorted = [...spec.regions].sort((a, b) => a.guestAddress - b.guestAddress);
    this.spec = { regions: sorted };
    this.#regions = sorted.map((region) => new Region(region));
    this.#last = this.#regions[0];
    let size = 0;
    for (const [i, region] of this.#regions.entries()) {
      if (i > 0 && this.#regions[i - 1].end > region.start) {
        throw new RangeError(`two memory regions overlap at ${hex(region.start)}`);
      }
      size += region.end - region.start;
    }
    this.size = size;
  }

  /** Guest memory over regions that exist already: in a Worker, those that the main isolate posted. */
  static attach(spec: GuestMemorySpec): GuestMemory {
    return new GuestMemory(spec);
  }

  /** Memory that no guest runs on: `size` bytes at `base`, for tests of devices, queues and loaders. */
  static forTest(size: number, base = 0): GuestMemory {
    const buffer = new SharedArrayBuffer(Math.ceil(size / 8) * 8);
    return new GuestMemory({ regions: [{ guestAddress: base, size, buffer, byteOffset: 0 }] });
  }

  /** The regions in the order of their addresses. */
  get regions(): readonly MemoryRegionSpec[] {
    return this.spec.regions;
  }

  /** The first address after the last region. */
  get end(): number {
    return this.#regions[this.#regions.length - 1].end;
  }

  /** Whether the whole range is RAM. A length of zero is RAM where its address is, or ends, RAM. */
  isRam(address: number, length: number): boolean {
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || length < 0) return false;
    let at = address;
    const end = address + length;
    for (const region of this.#regions) {
      if (at < region.start) return false;
      if (end <= region.end) return true;
      if (at < region.end) at = region.end;
    }
    return false;
  }

  /** The byte at `address`. */
  readU8(address: number): number {
    const region = this.#find(address, 1);
    return region.bytes[address - region.start];
  }

  /** The little-endian 16-bit value at `address`, which needs no alignment. */
  readU16(address: number): number {
    const region = this.#find(address, 2);
    return region.view.getUint16(address - region.start, true);
  }

  /** The little-endian 32-bit value at `address`. */
  readU32(address: number): number {
    const region = this.#find(address, 4);
    return region.view.getUint32(address - region.start, true);
  }

  /** The little-endian 64-bit value at `address`. It allocates: not for hot paths. */
  readU64(address: number): bigint {
    const region = this.#find(address, 8);
    return region.view.getBigUint64(address - region.start, true);
  }

  /** Stores the low 8 bits of `value`. */
  writeU8(address: number, value: number): void {
    const region = this.#find(address, 1);
    region.bytes[address - region.start] = value;
  }

  /** Stores the low 16 bits of `value`, little-endian. */
  writeU16(address: number, value: number): void {
    const region = this.#find(address, 2);
    region.view.setUint16(address - region.start, value, true);
  }

  /** Stores the low 32 bits of `value`, little-endian. */
  writeU32(address: number, value: number): void {
    const region = this.#find(address, 4);
    region.view.setUint32(address - region.start, value, true);
  }

  /** Stores the low 64 bits of `value`, little-endian. It allocates: not for hot paths. */
  writeU64(address: number, value: bigint): void {
    const region = this.#find(address, 8);
    region.view.setBigUint64(address - region.start, value, true);
  }

  /** Loads an aligned 16-bit value that another thread may be storing (a ring index). */
  load16(address: number): number {
    const region = this.#aligned16(address);
    return Atomics.load(region.halves, (address - region.start) / 2);
  }

  /** Stores an aligned 16-bit value; everything stored before it is visible to whoever loads it. */
  store16(address: number, value: number): void {
    const region = this.#aligned16(address);
    Atomics.store(region.halves, (address - region.start) / 2, value);
  }

  /** Copies guest memory into `into`, across regions that adjoin. */
  read(address: number, into: Uint8Array): void {
    const region = this.#region(address, into.length);
    if (region !== undefined) {
      const at = address - region.start;
      into.set(region.bytes.subarray(at, at + into.length));
      return;
    }
    let done = 0;
    for (const piece of this.slices(address, into.length)) {
      into.set(piece, done);
      done += piece.length;
    }
  }

  /** Copies `bytes` to guest memory, across regions that adjoin. Nothing is written when a part is not RAM. */
  write(address: number, bytes: Uint8Array): void {
    const region = this.#region(address, bytes.length);
    if (region !== undefined) {
      region.bytes.set(bytes, address - region.start);
      return;
    }
    let done = 0;
    for (const piece of this.slices(address, bytes.length)) {
      piece.set(bytes.subarray(done, done + piece.length));
      done += piece.length;
    }
  }

  /** A copy of `length` bytes. */
  readBytes(address: number, length: number): Uint8Array<ArrayBuffer> {
    if (!this.isRam(address, length)) throw notRam(address, length);
    const bytes = new Uint8Array(length);
    this.read(address, bytes);
    return bytes;
  }

  /** The memory itself, without a copy; the range must lie in one region. The guest may change it at any time. */
  slice(address: number, length: number): Uint8Array<SharedArrayBuffer> {
    const region = this.#find(address, length);
    const at = address - region.start;
    return region.bytes.subarray(at, at + length);
  }

  /** The memory itself in as many pieces as it has regions, in the order of their addresses. */
  slices(address: number, length: number): Uint8Array<SharedArrayBuffer>[] {
    if (!this.isRam(address, length)) throw notRam(address, length);
    const pieces: Uint8Array<SharedArrayBuffer>[] = [];
    const end = address + length;
    for (const region of this.#regions) {
      const from = Math.max(address, region.start);
      const to = Math.min(end, region.end);
      if (from < to) pieces.push(region.bytes.subarray(from - region.start, to - region.start));
    }
    return pieces;
  }

  /**
   * Where a range, which must lie in one region, is in this process: for system calls that read or write guest
   * memory in place. Allocates nothing.
   */
  hostAddress(address: number, length: number): number {
    const region = this.#find(address, length);
    return region.hostAddress + (address - region.start);
  }

  /** Sets `length` bytes to `value`. */
  fill(address: number, length: number, value: number): void {
    for (const piece of this.slices(address, length)) piece.fill(value);
  }

  /**
   * The NUL-terminated string at `address`, as Latin-1.
   *
   * @param max the most bytes that are looked at, the NUL among them
   * @throws {GuestMemoryError} when there's no NUL among them, or RAM ends before it
   */
  readCString(address: number, max: number): string {
    let text = "";
    for (let i = 0; i < max; i++) {
      const byte = this.readU8(address + i);
      if (byte === 0) return text;
      text += String.fromCharCode(byte);
    }
    const message = `the string at ${hex(address)} does not end within ${max} bytes`;
    throw new GuestMemoryError(message, address, max);
  }

  /** Writes `text` as UTF-8 with a NUL behind it; returns the bytes written, the NUL among them. */
  writeCString(address: number, text: string): number {
    const bytes = new TextEncoder().encode(text + "\0");
    this.write(address, bytes);
    return bytes.length;
  }

  /** The region that holds the whole range, or undefined. The last one found is tried first. */
  #region(address: number, length: number): Region | undefined {
    const last = this.#last;
    if (address >= last.start && address + length <= last.end && length >= 0) return last;
    for (const region of this.#regions) {
      if (address >= region.start && address + length <= region.end && length >= 0) {
        this.#last = region;
        return region;
      }
    }
    return undefined;
  }

  #find(address: number, length: number): Region {
    const region = this.#region(address, length);
    if (region !== undefined) return region;
    if (this.isRam(address, length)) {
      const range = `${hex(address)}+${hex(length)}`;
      throw new GuestMemoryError(`guest memory ${range} crosses two regions`, address, length);
    }
    throw notRam(address, length);
  }

  #aligned16(address: number): Region {
    if (address % 2 !== 0) {
      throw new GuestMemoryError(`guest address ${hex(address)} is not even`, address, 2);
    }
    return this.#find(address, 2);
  }
}

/** `0x…`, as addresses are written everywhere. */
function hex(value: number): string {
  return Number.isFinite(value) && value >= 0 ? `0x${value.toString(16)}` : String(value);
}

function notRam(address: number, length: number): GuestMemoryError {
  const range = `${hex(address)}+${hex(length)}`;
  return new GuestMemoryError(`guest memory ${range} is not RAM`, address, length);
}

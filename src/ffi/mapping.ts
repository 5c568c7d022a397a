/**
 * Memory of a file descriptor inside a SharedArrayBuffer.
 *
 * JavaScript can't be given a SharedArrayBuffer over memory that it did not allocate. So a buffer is
 * allocated a little too large, and the whole pages inside it are replaced by a mapping of the descriptor
 * (`MAP_FIXED`). The buffer can then be posted to every Worker, and C is given the address inside it.
 *
 * Two dangers come with that, and both are closed here:
 * - A buffer that is collected takes the mapping with it, while KVM still uses the address. Every mapping
 *   is held by this module until it is released, whatever else forgets it.
 * - A buffer that is collected while foreign pages are inside it would hand them back to the allocator.
 *   Releasing puts anonymous memory in their place first; a late reader sees zeros, not a fault.
 * @module
 */
import { check, errno, SysError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cString, libc } from "./libc.ts";

const PROT_READ_WRITE = 1 | 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;
const MADV_DONTFORK = 10;
const MADV_HUGEPAGE = 14;
const SC_PAGESIZE = 30;

/** The host's page size in bytes. */
export const PAGE_SIZE = Number(libc.sysconf(SC_PAGESIZE));

/** The size of a huge page on x86-64, and of aarch64's with 4 KiB pages. */
export const HUGE_PAGE_SIZE = 2 << 20;

/** The mappings that have not been released, held so that no collection can take them away. */
const live = new Set<SharedMapping>();
let plainMappings = 0;

/** How many mappings this isolate holds; a test of leaks compares it before and after. */
export function liveMappings(): number {
  return live.size + plainMappings;
}

/** Where and how to map. */
export interface SharedMappingOptions {
  /** The descriptor to map, which may be closed once the mapping exists; left out for memory of no descriptor. */
  readonly fd?: number;
  /** Bytes to map, a multiple of the page size. */
  readonly size: number;
  /** Where in the descriptor's file to begin; 0 when left out. */
  readonly fileOffset?: number;
  /** The alignment of the host address, a power of two; the page size when left out. */
  readonly align?: number;
  /** What the memory is, for errors. */
  readonly what: string;
}

/** Pages of a descriptor or of none, inside a SharedArrayBuffer, until {@link SharedMapping.release}. */
export class SharedMapping implements Disposable {
  /** The buffer that holds the pages, which can be posted to Workers. */
  readonly buffer: SharedArrayBuffer;
  /** Where the pages begin in {@link buffer}. */
  readonly byteOffset: number;
  /** How many bytes are mapped. */
  readonly byteLength: number;
  /** The address of the first page in this process. */
  readonly address: bigint;
  readonly #what: string;

  /** @throws {SysError} when mmap refuses; @throws {RangeError} when there's no address space for it */
  constructor(options: SharedMappingOptions) {
    const { fd, size, fileOffset = 0, align = PAGE_SIZE, what } = options;
    if (!Number.isSafeInteger(size) || size <= 0 || size % PAGE_SIZE !== 0) {
      throw new RangeError(`${what}: ${size} bytes is not a positive number of whole pages`);
    }
    try {
      this.buffer = new SharedArrayBuffer(size + align);
    } catch (cause) {
      throw new RangeError(`${what}: there is no address space for ${size} bytes`, { cause });
    }
    const base = addressOf(new Uint8Array(this.buffer));
    const mask = BigInt(align - 1);
    this.byteOffset = Number(((base + mask) & ~mask) - base);
    this.byteLength = size;
    this.address = base + BigInt(this.byteOffset);
    this.#what = what;
    try {
      // Not MAP_NORESERVE: on hugetlb it would put off a lack of pages from this call to a fault (SIGBUS).
      if (fd === undefined) mapOwn(this.address, size, what);
      else mapFixed(this.address, size, MAP_SHARED, fd, fileOffset, what);
    } catch (error) {
      // A mapping that fails late (hugetlb's does) has unmapped what was there: the allocator's own memory.
      mapAnonymous(this.address, size, what);
      throw error;
    }
    live.add(this);
  }

  /** A view of the pages. */
  bytes(): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.buffer, this.byteOffset, this.byteLength);
  }

  /** Asks for transparent huge pages; a kernel without them says no, and nothing is lost. */
  adviseHugePages(): boolean {
    const at = Deno.UnsafePointer.create(this.address);
    // SAFETY: the range is this mapping's own; the advice changes no contents.
    return libc.madvise(at, BigInt(this.byteLength), MADV_HUGEPAGE) === 0;
  }

  /** Gives the pages back to the host and leaves zeroed memory in their place. A second call does nothing. */
  release(): void {
    if (!live.has(this)) return;
    mapAnonymous(this.address, this.byteLength, this.#what);
    live.delete(this);
  }

  /** The same as {@link release}. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** The address of the first of these bytes; those of a SharedArrayBuffer never move. */
function addressOf(bytes: Uint8Array): bigint {
  // Deno takes shared bytes, too, which its types leave out.
  // SAFETY: only the address is taken; nothing is read or written through the pointer here.
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>));
}

/**
 * The address of a SharedArrayBuffer's first byte in this process, as a number: user space ends below 2^53. The
 * buffer never moves, and whoever uses the address keeps the buffer reachable.
 */
export function bufferAddress(buffer: SharedArrayBuffer): number {
  return Number(addressOf(new Uint8Array(buffer)));
}

/** A mapping of its own, which V8 sees but neither owns nor frees. Not for memory that Workers share. */
export interface PlainMapping extends Disposable {
  /** The pages, for as long as the mapping is not disposed of: any access after that would end the process. */
  readonly buffer: ArrayBuffer;
}

/**
 * mmap(2), shared and writable, wherever the kernel likes: for descriptors that refuse MAP_FIXED, as those of
 * io_uring do (whose memory it aligns as it likes).
 *
 * @param size bytes; the kernel rounds up to whole pages
 * @throws {SysError}
 */
export function mapPlain(fd: number, size: number, fileOffset: number, what: string): PlainMapping {
  const length = BigInt(size);
  // SAFETY: without MAP_FIXED no memory that is in use is replaced.
  const result = libc.mmap(
    null,
    length,
    PROT_READ_WRITE,
    MAP_SHARED | MAP_POPULATE,
    fd,
    BigInt(fileOffset),
  );
  const address = Deno.UnsafePointer.create(result);
  if (result === -1n || address === null) throw new SysError("mmap", errno(), what);
  plainMappings++;
  let mapped = true;
  return {
    // SAFETY: the owner drops every view of the buffer before it disposes of the mapping.
    buffer: Deno.UnsafePointerView.getArrayBuffer(address, size),
    [Symbol.dispose]() {
      if (!mapped) return;
      mapped = false;
      plainMappings--;
      // SAFETY: exactly what was mapped above, once.
      check(libc.munmap(address, length), "munmap", what);
    },
  };
}

/** Puts zeroed memory of no descriptor in the place of pages, as the allocator of the buffer had there. */
function mapAnonymous(address: bigint, size: number, what: string): void {
  mapFixed(address, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, what);
}

/**
 * Memory that is this process's alone. A child that forks would share its pages until somebody writes, and this process
 * would then write to copies, past what devices and KVM are at work on: a child gets nothing there.
 */
function mapOwn(address: bigint, size: number, what: string): void {
  mapAnonymous(address, size, what);
  // SAFETY: the range was mapped just now; the advice changes no contents.
  const at = Deno.UnsafePointer.create(address);
  check(libc.madvise(at, BigInt(size), MADV_DONTFORK), "madvise", what);
}

/** mmap(2) over whole pages that lie inside a buffer of ours. */
function mapFixed(
  address: bigint,
  size: number,
  flags: number,
  fd: number,
  fileOffset: number,
  what: string,
): void {
  const at = Deno.UnsafePointer.create(address);
  // SAFETY: address and size lie inside a SharedArrayBuffer that the caller holds (checked by the
  // constructor's arithmetic: the buffer is `align` bytes larger than the mapping), so MAP_FIXED
  // replaces only memory that belongs to that buffer.
  const result = libc.mmap(
    at,
    BigInt(size),
    PROT_READ_WRITE,
    flags | MAP_FIXED,
    fd,
    BigInt(fileOffset),
  );
  if (result === -1n) throw new SysError("mmap", errno(), what);
}

const MFD_CLOEXEC = 1;
const MFD_HUGETLB = 4;
const MFD_HUGE_2MB = 21 << 26;

/** memfd_create(2) with `size` bytes of zeros, optionally on reserved 2 MiB huge pages. @throws {SysError} */
export function createMemFd(name: string, size: number, options: { hugeTlb?: boolean } = {}): Fd {
  const flags = MFD_CLOEXEC | (options.hugeTlb ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
  const raw = check(libc.memfd_create(cString(name), flags), "memfd_create", name);
  const fd = new Fd(raw, name);
  try {
    check(libc.ftruncate(raw, BigInt(size)), `ftruncate(${size})`, name);
  } catch (error) {
    fd.close();
    throw error;
  }
  return fd;
}

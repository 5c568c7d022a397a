/**
 * Files and block devices as backends see them: what a descriptor leads to, its size, its durability, its holes.
 *
 * {@linkcode fileStatus}, {@linkcode truncate}, {@linkcode syncFile}, {@linkcode seekData} and their like throw;
 * {@linkcode fallocate} and {@linkcode discardPages}, which a guest can ask for at any rate, return a negative
 * errno instead.
 * @module
 */
import { EINTR, ENXIO, errno, outcome, SysError } from "./errno.ts";
import { ioctl } from "./ioctl.ts";
import { libc } from "./libc.ts";

/** struct statx (linux/stat.h), in bytes. */
export const statx = {
  size: 256,
  stx_mask: 0,
  stx_blksize: 4,
  stx_mode: 28,
  stx_ino: 32,
  stx_size: 40,
  stx_blocks: 48,
  stx_dev_major: 136,
  stx_dev_minor: 140,
  stx_dio_mem_align: 152,
  stx_dio_offset_align: 156,
} as const;
export const AT_EMPTY_PATH = 0x1000;
export const STATX_BASIC_STATS = 0x7ff;
/** Linux 6.1. */
export const STATX_DIOALIGN = 0x2000;

/** Block devices' ioctls (linux/fs.h). */
export const BLKROGET = 0x125e;
export const BLKSSZGET = 0x1268;
export const BLKGETSIZE64 = 0x80081272;

const S_IFMT = 0o170000;
const KINDS: Readonly<Record<number, FileKind>> = {
  0o010000: "pipe",
  0o020000: "character device",
  0o040000: "directory",
  0o060000: "block device",
  0o100000: "file",
  0o140000: "socket",
};

/** What a descriptor can lead to; `"file"` is a regular file. */
export type FileKind =
  | "file"
  | "directory"
  | "block device"
  | "character device"
  | "pipe"
  | "socket"
  | "other";

/** What is known of an open file. */
export interface FileStatus {
  readonly kind: FileKind;
  /** Bytes; of a block device, its capacity. */
  readonly size: number;
  /** Bytes that the file takes on its disk: fewer than its size where it has holes. */
  readonly allocated: number;
  /** Bytes of a logical block of a block device; 512 for all else. */
  readonly sectorSize: number;
  /** Whether a block device refuses writes; false for all else. */
  readonly readOnlyDevice: boolean;
  /** Identifies the file on this host. */
  readonly identity: string;
  /**
   * What O_DIRECT asks of buffers' addresses and of offsets and lengths, in bytes; undefined where the kernel
   * doesn't say (before Linux 6.1, some file systems), 0 where the file can't do O_DIRECT at all.
   */
  readonly direct: { readonly memory: number; readonly offset: number } | undefined;
}

/** A 64-bit field as a number: the sizes of files are below 2^63, those of disks that exist below 2^53. */
function number64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 0x1_0000_0000;
}

/** What `fd` leads to (statx(2), and the ioctls of block devices). @throws {SysError} */
export function fileStatus(fd: number, what: string): FileStatus {
  const view = new DataView(new ArrayBuffer(statx.size));
  const mask = STATX_BASIC_STATS | STATX_DIOALIGN;
  const empty = new Uint8Array(1);
  while (libc.statx(fd, empty, AT_EMPTY_PATH, mask, new Uint8Array(view.buffer)) < 0) {
    const code = errno();
    if (code !== EINTR) throw new SysError("statx", code, what);
  }
  const kind = KINDS[view.getUint16(statx.stx_mode, true) & S_IFMT] ?? "other";
  const device = kind === "block device" ? blockDevice(fd) : undefined;
  const major = view.getUint32(statx.stx_dev_major, true);
  const minor = view.getUint32(statx.stx_dev_minor, true);
  const knowsDirect = (view.getUint32(statx.stx_mask, true) & STATX_DIOALIGN) !== 0;
  return {
    kind,
    size: device?.size ?? number64(view, statx.stx_size),
    allocated: number64(view, statx.stx_blocks) * 512,
    sectorSize: device?.sectorSize ?? 512,
    readOnlyDevice: device?.readOnly ?? false,
    identity: `${major}:${minor}:${number64(view, statx.stx_ino)}`,
    direct: knowsDirect
      ? {
        memory: view.getUint32(statx.stx_dio_mem_align, true),
        offset: view.getUint32(statx.stx_dio_offset_align, true),
      }
      : undefined,
  };
}

function blockDevice(fd: number): { size: number; sectorSize: number; readOnly: boolean } {
  const view = new DataView(new ArrayBuffer(8));
  ioctl(fd, BLKGETSIZE64, view, "BLKGETSIZE64");
  const size = number64(view, 0);
  ioctl(fd, BLKSSZGET, view, "BLKSSZGET");
  const sectorSize = view.getInt32(0, true);
  ioctl(fd, BLKROGET, view, "BLKROGET");
  return { size, sectorSize, readOnly: view.getInt32(0, true) !== 0 };
}

/** ftruncate(2). @param size bytes, which may be more than there are: the rest is a hole @throws {SysError} */
export function truncate(fd: number, size: number, what: string): void {
  checkOffset(size, what);
  while (libc.ftruncate(fd, BigInt(size)) < 0) {
    const code = errno();
    if (code !== EINTR) throw new SysError(`ftruncate(${size})`, code, what);
  }
}

/** fsync(2): what was written, and all that describes the file, is on its disk. @throws {SysError} */
export function syncFile(fd: number, what: string): void {
  while (libc.fsync(fd) < 0) {
    const code = errno();
    if (code !== EINTR) throw new SysError("fsync", code, what);
  }
}

/** fdatasync(2): what was written is on the disk, and can be found again. @throws {SysError} */
export function syncData(fd: number, what: string): void {
  while (libc.fdatasync(fd) < 0) {
    const code = errno();
    if (code !== EINTR) throw new SysError("fdatasync", code, what);
  }
}

/**
 * fallocate(2), for example with FALLOC_FL_PUNCH_HOLE on a memfd to give guest memory back to the host.
 *
 * @param mode FALLOC_FL_*
 * @returns 0, or a negative errno such as `-EOPNOTSUPP`
 */
export function fallocate(fd: number, mode: number, offset: number, length: number): number {
  for (;;) {
    const result = outcome(libc.fallocate(fd, mode, BigInt(offset), BigInt(length)));
    if (result !== -EINTR) return result;
  }
}

/** madvise(2) advice. */
export const MADV_DONTNEED = 4;
export const MADV_REMOVE = 9;

/**
 * madvise(2) with MADV_DONTNEED or MADV_REMOVE: gives pages back to the host.
 *
 * Their bytes are lost: of a shared mapping with MADV_REMOVE alone, of a private one with MADV_DONTNEED.
 *
 * @param address a host address on a page boundary, inside memory that the caller owns
 * @param length bytes, whole pages
 * @returns 0, or a negative errno
 */
export function discardPages(
  address: number,
  length: number,
  advice: typeof MADV_DONTNEED | typeof MADV_REMOVE,
): number {
  // SAFETY: the caller owns the range; it stays mapped.
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  return outcome(libc.madvise(pointer, BigInt(length), advice));
}

/** lseek(2) whences that find data and holes. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * Where data begins, at `offset` or after it. It moves the descriptor's file position.
 *
 * @returns undefined where there is none up to the end
 * @throws {SysError}
 */
export function seekData(fd: number, offset: number, what: string): number | undefined {
  return seek(fd, offset, SEEK_DATA, what);
}

/**
 * Where the next hole begins, at `offset` or after it; the end of the file counts as one. It moves the
 * descriptor's file position.
 *
 * @returns undefined where `offset` is the end already, or after it
 * @throws {SysError}
 */
export function seekHole(fd: number, offset: number, what: string): number | undefined {
  return seek(fd, offset, SEEK_HOLE, what);
}

function seek(fd: number, offset: number, whence: number, what: string): number | undefined {
  checkOffset(offset, what);
  const result = Number(libc.lseek(fd, BigInt(offset), whence));
  if (result >= 0) return result;
  const code = errno();
  if (code === ENXIO) return undefined;
  throw new SysError("lseek", code, what);
}

function checkOffset(offset: number, what: string): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return;
  throw new RangeError(`${what}: there is no file offset ${offset}`);
}

/**
 * Opening a disk image or block device for one machine: everything that can be wrong with it is said here. Or making
 * a disk in memory.
 * @module
 */
import {
  createMemFd,
  EINVAL,
  Fd,
  type FileStatus,
  fileStatus,
  lockFile,
  O_DIRECT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  PAGE_SIZE,
  read,
  SysError,
} from "../../../src/ffi/mod.ts";
import { DeviceError } from "../module.ts";
import { AlignedBuffer } from "./buffers.ts";
import type { DiskKind } from "./disk.ts";
import type { BlockOptions } from "./options.ts";
import { checkSize } from "./size.ts";

/** What was opened. */
export interface DiskImage {
  /** The path, or what messages call a disk in memory. */
  readonly name: string;
  /** Holds the lock as well: it goes when the last copy of the descriptor is closed. */
  readonly fd: Fd;
  readonly kind: DiskKind;
  /** Bytes. */
  readonly size: number;
  /** Blocks that the host can free, in bytes. */
  readonly granularity: number;
  /** The alignment that O_DIRECT asks of memory and lengths, in bytes; 1 without O_DIRECT. */
  readonly alignment: number;
  /** Whether blocks are given back to the host. */
  readonly discard: boolean;
}

/** The granularity that is told of hosts that like larger blocks still. */
const MAX_GRANULARITY = 4096;

/** Options of a disk that has a path. */
type PathOptions = BlockOptions & { readonly path: string };

/**
 * Opens, locks and checks an image, or makes a disk in memory.
 *
 * @throws {DeviceError} naming the file and the remedy
 */
export function openImage(options: BlockOptions): DiskImage {
  const { path, memory } = options;
  if (memory !== undefined) return memoryImage(memory, options);
  if (path === undefined) throw new DeviceError("a disk needs a path, or memory=SIZE");
  return openPath({ ...options, path });
}

/** A disk of zeros. Its pages are taken from the host when they are first written. */
function memoryImage(size: number, { ro, sector, discard }: BlockOptions): DiskImage {
  const name = `memory=${size}`;
  let fd: Fd;
  try {
    fd = createMemFd("disk", size);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new DeviceError(`the disk ${name} can't be made: ${error.message}`, { cause: error });
  }
  return {
    name,
    fd,
    kind: "memory",
    size,
    granularity: Math.max(PAGE_SIZE, sector),
    alignment: 1,
    discard: discard === "on" && !ro,
  };
}

function openPath(options: PathOptions): DiskImage {
  const { path, ro, cache, sector } = options;
  const { isDevice, blockSize } = inspect(path);
  using undo = new DisposableStack();
  const fd = undo.use(open(options, isDevice));
  const status = fileStatus(fd.raw, path);
  if (status.readOnlyDevice && !ro) throw new DeviceError(whyNot("EROFS", path, ro));
  lock(fd.raw, path, ro);
  checkSize(path, status.size, sector);
  refuseOtherFormats(path);
  const alignment = cache === "direct" ? directAlignment(fd.raw, options) : 1;
  undo.move();
  return {
    name: path,
    fd,
    kind: isDevice ? "device" : "file",
    size: status.size,
    granularity: granularityOf(status, blockSize, sector),
    alignment,
    discard: options.discard === "on" && !ro,
  };
}

/** What kind of file it is, before it is opened: opening a FIFO would wait for a writer. */
function inspect(path: string): { isDevice: boolean; blockSize: number } {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new DeviceError(
        `there is no disk image ${path}; make an empty one of 10 GiB: truncate -s 10G ${path}`,
      );
    }
    throw new DeviceError(`the disk image ${path} can't be looked at: ${text(error)}`);
  }
  if (info.isFile || info.isBlockDevice) {
    return { isDevice: info.isBlockDevice === true, blockSize: info.blksize ?? MAX_GRANULARITY };
  }
  throw new DeviceError(
    `${path} is ${kindOf(info)}; a disk is a file with a raw image, or a block device`,
  );
}

function kindOf(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a directory";
  if (info.isCharDevice) return "a character device";
  if (info.isFifo) return "a FIFO";
  return info.isSocket ? "a socket" : "not a file";
}

function open({ path, ro, cache }: PathOptions, isDevice: boolean): Fd {
  let flags = ro ? O_RDONLY : O_RDWR;
  if (cache === "direct") flags |= O_DIRECT;
  // The kernel refuses a device that is mounted or part of another one: two writers would destroy it.
  if (isDevice && !ro) flags |= O_EXCL;
  try {
    return Fd.open(path, flags);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new DeviceError(whyNot(error.code, path, ro), { cause: error });
  }
}

/** @param code the name of the errno */
function whyNot(code: string, path: string, ro: boolean): string {
  switch (code) {
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return ro
        ? `the disk ${path} can't be read (${code}); it needs read permission`
        : `the disk ${path} can't be written (${code}); add ro to attach it read-only, or give ` +
          "yourself write permission";
    case "EBUSY":
    case "ETXTBSY":
      return `the disk ${path} is in use by this host (${code}): unmount it, or add ro`;
    case "EINVAL":
      return `the file system of ${path} has no O_DIRECT; use cache=writeback`;
    default:
      return `the disk ${path} can't be opened: ${code}`;
  }
}

/** An open file description lock on all of it: shared between those who only read. */
function lock(fd: number, path: string, ro: boolean): void {
  try {
    if (lockFile(fd, ro ? "shared" : "exclusive", path)) return;
  } catch (error) {
    throw new DeviceError(`the disk ${path} can't be locked: ${text(error)}`, { cause: error });
  }
  throw new DeviceError(
    ro
      ? `the disk ${path} is being written by another machine; end that first, or use a copy`
      : `the disk ${path} is in use by another machine; end that first, use a copy, or give ro to ` +
        "all that share it",
  );
}

/** Formats that start with a signature, and would be destroyed by being taken for a raw image. */
const SIGNATURES: readonly { readonly format: string; readonly bytes: string }[] = [
  { format: "qcow2", bytes: "QFI\xfb" },
  { format: "vmdk", bytes: "KDMV" },
  { format: "vhdx", bytes: "vhdxfile" },
  { format: "qed", bytes: "QED\0" },
];

function refuseOtherFormats(path: string): void {
  // A descriptor of its own: with O_DIRECT the other can't read a few bytes. Its lock is not touched by this.
  using file = Deno.openSync(path, { read: true });
  const start = new Uint8Array(8);
  const length = file.readSync(start) ?? 0;
  const found = String.fromCharCode(...start.subarray(0, length));
  const other = SIGNATURES.find(({ bytes }) => found.startsWith(bytes));
  if (other === undefined) return;
  throw new DeviceError(
    `${path} is a ${other.format} image, and only raw images can be used; convert it: ` +
      `qemu-img convert -O raw ${path} ${path}.raw`,
  );
}

/**
 * The alignment that O_DIRECT wants of memory, offsets and lengths, found by trying: the file system and the device
 * below it both have a say, and not every file system tells (statx: STATX_DIOALIGN).
 */
function directAlignment(fd: number, { path, sector }: PathOptions): number {
  const { bytes } = new AlignedBuffer(2 * MAX_GRANULARITY);
  for (let alignment = 512; alignment <= MAX_GRANULARITY; alignment *= 2) {
    try {
      // Aligned to this and nothing more.
      read(fd, bytes.subarray(alignment, 2 * alignment), path);
    } catch (error) {
      if (error instanceof SysError && error.errno === EINVAL) continue;
      throw new DeviceError(`the disk ${path} can't be read: ${text(error)}`, { cause: error });
    }
    if (alignment <= sector) return alignment;
    throw new DeviceError(
      `cache=direct needs sectors of at least ${alignment} bytes on the disk ${path}; use ` +
        "sector=4096 or cache=writeback",
    );
  }
  throw new DeviceError(`the disk ${path} can't be read with cache=direct; use cache=writeback`);
}

/** A power of two: no smaller than what the host can free, no larger than guests are used to. */
function granularityOf(status: FileStatus, preferred: number, sector: number): number {
  const blocks = Math.max(status.sectorSize, Math.min(preferred, MAX_GRANULARITY), sector);
  return Number.isInteger(Math.log2(blocks)) ? blocks : MAX_GRANULARITY;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

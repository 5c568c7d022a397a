/**
 * How large a disk is, and how it gets another size while it runs.
 * @module
 */
import { fileStatus, truncate } from "../../../src/ffi/mod.ts";
import { size as sizeField } from "../../options.ts";
import { DeviceError } from "../module.ts";
import type { BlockBackend } from "./disk.ts";

/** @throws {DeviceError} no disk can have this size */
export function checkSize(path: string, size: number, blockSize: number): void {
  if (size < blockSize) {
    throw new DeviceError(
      `the disk ${path} has ${size} bytes, and a sector has ${blockSize}; give it a size: ` +
        `truncate -s 10G ${path}`,
    );
  }
  if (size % blockSize !== 0) {
    throw new DeviceError(
      `the disk ${path} has ${size} bytes, which is no multiple of its sectors of ${blockSize}: is ` +
        `it a raw image, and whole? This fills it up with zeros: truncate -s %${blockSize} ${path}`,
    );
  }
}

/** The size of a disk that was opened before. @throws {DeviceError} it has none that can be used any more */
export function usableSize({ fd, path, blockSize }: BlockBackend): number {
  const { size } = fileStatus(fd, path);
  checkSize(path, size, blockSize);
  return size;
}

const SIZE = sizeField("SIZE", "");

/**
 * The size that a disk has from now on, by a wish such as `{ "size": "20G" }`: a file grows to that; without a size
 * the disk is as large as its file or device has become.
 *
 * @throws {DeviceError} it can't be so large, or a file would shrink
 */
export function resizedTo(backend: BlockBackend, wish: unknown): number {
  const { path, fd } = backend;
  const wanted = wantedSize(wish);
  const { size } = fileStatus(fd, path);
  if (wanted === undefined || wanted === size) {
    checkSize(path, size, backend.blockSize);
    return size;
  }
  checkSize(path, wanted, backend.blockSize);
  if (backend.kind === "device") {
    throw new DeviceError(`${path} is a block device of ${size} bytes; resize it on the host`);
  }
  if (backend.readOnly) throw new DeviceError(`the disk ${path} is read-only here; it can't grow`);
  if (wanted < size && backend.kind === "memory") {
    throw new DeviceError(`the disk ${path} has ${size} bytes; a disk in memory can only grow`);
  }
  if (wanted < size) {
    throw new DeviceError(
      `the disk ${path} has ${size} bytes; to cut off what is behind ${wanted}, do so on the host ` +
        `(truncate -s ${wanted} ${path}) and resize without a size`,
    );
  }
  truncate(fd, wanted, path);
  return wanted;
}

function wantedSize(wish: unknown): number | undefined {
  if (wish === undefined || wish === null) return undefined;
  const known = typeof wish === "object" && !Array.isArray(wish) &&
    Object.keys(wish).every((name) => name === "size");
  if (!known) throw new DeviceError('a new size is an object such as { "size": "20G" }');
  if (!("size" in wish) || wish.size === undefined || wish.size === null) return undefined;
  try {
    return SIZE.read(wish.size);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DeviceError(`size: ${error.message} (got ${JSON.stringify(wish.size)})`);
  }
}

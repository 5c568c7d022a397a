/**
 * Files for tests of this folder.
 * @module
 */
import { EINVAL, SysError } from "./errno.ts";
import { Fd, O_CREAT, O_RDWR } from "./fd.ts";
import { IoVectors } from "./io_vectors.ts";
import { bufferAddress } from "./mapping.ts";

/** Calls back with the path of a directory that is gone afterwards. */
export async function inDirectory(test: (path: string) => void | Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync();
  try {
    await test(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/** A new file that is open for reading and writing. */
export function newFile(path: string, flags: number = 0): Fd {
  return Fd.open(path, O_RDWR | O_CREAT | flags);
}

/** Whether temporary files are on a file system that knows these flags of open(2); tmpfs lacks O_DIRECT to 6.5. */
export function temporaryFilesTake(flags: number): boolean {
  const path = Deno.makeTempDirSync();
  try {
    newFile(`${path}/file`, flags).close();
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === EINVAL) return false;
    throw error;
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/** The open descriptors of this process. */
export function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Memory with vectors that point into it. */
export class Buffers {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly vectors = new IoVectors(8);
  readonly address: number;

  /** @param alignment of the address; a power of two */
  constructor(size: number, alignment: number = 1) {
    const buffer = new SharedArrayBuffer(size + alignment);
    const base = bufferAddress(buffer);
    this.address = Math.ceil(base / alignment) * alignment;
    this.bytes = new Uint8Array(buffer, this.address - base, size);
  }

  /** Sets one vector for each pair of offset and length. @returns how many */
  point(...ranges: readonly (readonly [offset: number, length: number])[]): number {
    ranges.forEach(([offset, length], i) => this.vectors.set(i, this.address + offset, length));
    return ranges.length;
  }

  /** Sets vector 0 to a text that is put at the start. @returns 1, the number of vectors */
  text(text: string): number {
    const bytes = new TextEncoder().encode(text);
    this.bytes.set(bytes);
    return this.point([0, bytes.length]);
  }

  /** Bytes as text. */
  textAt(offset: number, length: number): string {
    return new TextDecoder().decode(this.bytes.slice(offset, offset + length));
  }
}

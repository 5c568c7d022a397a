/**
 * File descriptors that are closed exactly once.
 * @module
 */
import { EINTR, errno, SysError } from "./errno.ts";
import { cString, libc } from "./libc.ts";

/** open(2) flags (asm-generic/fcntl.h; the same on x86-64 and aarch64, but for O_DIRECT). */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0x40;
export const O_EXCL = 0x80;
export const O_NOCTTY = 0x100;
export const O_TRUNC = 0x200;
export const O_APPEND = 0x400;
export const O_NONBLOCK = 0x800;
export const O_DSYNC = 0x1000;
/** Past the page cache; aarch64 has its own number (arch/arm64/include/uapi/asm/fcntl.h). */
export const O_DIRECT = Deno.build.arch === "aarch64" ? 0x10000 : 0x4000;
export const O_CLOEXEC = 0x80000;

/** An open file descriptor with one owner. `using fd = Fd.open(...)` closes it. */
export class Fd implements Disposable {
  #raw: number;

  /** Takes ownership of `raw`, an open descriptor; `what` names it in errors. */
  constructor(raw: number, readonly what: string) {
    if (!Number.isInteger(raw) || raw < 0) throw new TypeError(`${what}: ${raw} is no descriptor`);
    this.#raw = raw;
  }

  /**
   * open(2), always with O_CLOEXEC; EINTR is retried.
   *
   * @param mode the permissions of a file that O_CREAT makes, less the umask
   * @throws {SysError} such as ENOENT or EACCES
   */
  static open(path: string, flags: number, what: string = path, mode: number = 0o600): Fd {
    const name = cString(path);
    for (;;) {
      const raw = libc.open(name, flags | O_CLOEXEC, mode);
      if (raw >= 0) return new Fd(raw, what);
      const code = errno();
      if (code !== EINTR) throw new SysError(`open("${path}")`, code, what);
    }
  }

  /** The descriptor's number. @throws {Error} after it was closed */
  get raw(): number {
    if (this.#raw < 0) throw new Error(`${this.what} is closed`);
    return this.#raw;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#raw < 0;
  }

  /** Closes it; a second call does nothing. */
  close(): void {
    if (this.#raw < 0) return;
    const raw = this.#raw;
    // Linux frees the number even when close(2) reports an error, so it is never tried again.
    this.#raw = -1;
    libc.close(raw);
  }

  /**
   * Closes it in another thread, where the kernel takes its time for that; this isolate goes on meanwhile. A second
   * call does nothing.
   */
  async closeElsewhere(): Promise<void> {
    if (this.#raw < 0) return;
    const raw = this.#raw;
    this.#raw = -1;
    await libc.close_elsewhere(raw);
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * read(2) into `into`; EINTR is retried.
 *
 * @returns the number of bytes read, 0 at the end of the file
 * @throws {SysError}
 */
export function read(fd: number, into: Uint8Array<ArrayBufferLike>, what: string): number {
  for (;;) {
    const n = libc.read(fd, into as Uint8Array<ArrayBuffer>, BigInt(into.length));
    if (n >= 0) return n;
    const code = errno();
    if (code !== EINTR) throw new SysError("read", code, what);
  }
}

/**
 * write(2) until all of `bytes` is written; EINTR is retried.
 *
 * @throws {SysError}
 */
export function writeAll(fd: number, bytes: Uint8Array<ArrayBufferLike>, what: string): void {
  let rest = bytes as Uint8Array<ArrayBuffer>;
  while (rest.length > 0) {
    const n = libc.write(fd, rest, BigInt(rest.length));
    if (n >= 0) {
      rest = rest.subarray(n);
      continue;
    }
    const code = errno();
    if (code !== EINTR) throw new SysError("write", code, what);
  }
}

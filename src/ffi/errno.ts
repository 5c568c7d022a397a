/**
 * What a failed C call said: errno, its name, the call, and what it was for.
 * @module
 */
import { libc } from "./libc.ts";

const location = libc.__errno_location();
if (location === null) throw new Error("__errno_location() gave no address");
// SAFETY: errno is four bytes of thread-local storage that live as long as the thread, and an isolate
// never changes its thread.
const word = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));

/** The calling thread's errno. Read it at once after a call that failed; any later call may change it. */
export function errno(): number {
  return word[0];
}

/**
 * What a call has come to, for those who throw nothing: its result, or the negative errno where it failed.
 *
 * @param result of the call that was made just now; below zero where it failed
 */
export function outcome(result: number): number {
  return result < 0 ? -word[0] : result;
}

/** The errno numbers that this program decides by (include/uapi/asm-generic/errno-base.h, errno.h). */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EROFS = 30;
export const EPIPE = 32;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ETIME = 62;
export const EBADFD = 77;
export const ENOTSOCK = 88;
export const EOPNOTSUPP = 95;
export const EADDRINUSE = 98;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;
export const EDQUOT = 122;
export const ECANCELED = 125;

/** The symbolic name of an errno number, such as `"ENOENT"`. */
export function errnoName(number: number): string {
  const name = libc.strerrorname_np(number);
  // SAFETY: strerrorname_np returns NULL or a pointer to a string constant.
  return name === null ? `errno ${number}` : Deno.UnsafePointerView.getCString(name);
}

/** A system call that failed. */
export class SysError extends Error {
  override readonly name = "SysError";
  /** The symbolic errno name, such as `"EBUSY"`. */
  readonly code: string;

  /**
   * @param call the call as C writes it, such as `"ioctl(KVM_CREATE_VM)"`
   * @param errno the error number that it left
   * @param what what the call was for, such as `"creating the virtual machine"`
   */
  constructor(readonly call: string, readonly errno: number, readonly what: string) {
    const code = errnoName(errno);
    const text = libc.strerror(errno);
    // SAFETY: strerror never returns NULL; its text is copied before another call can change it.
    const meaning = text === null ? "unknown error" : Deno.UnsafePointerView.getCString(text);
    super(`${what}: ${call} failed with ${code} (${meaning})`);
    this.code = code;
  }
}

/**
 * Passes a C result through, or throws for -1.
 *
 * @throws {SysError} with the errno of the call that has just failed
 */
export function check(result: number, call: string, what: string): number {
  if (result < 0) throw new SysError(call, errno(), what);
  return result;
}

/**
 * ioctl(2) in the three shapes it is used in, with typed errors.
 * @module
 */
import { EINTR, errno, SysError } from "./errno.ts";
import { libc } from "./libc.ts";

/** Looked up once: every exit of every guest comes through here. */
const enter = libc.ioctl_pointer;

/** Bytes that C may read or write: any view, over private or shared memory. */
export type Bytes = ArrayBufferView<ArrayBufferLike>;

/**
 * ioctl(fd, request, &argument); EINTR is retried.
 *
 * @param call the request's name, such as `"KVM_GET_REGS"`, for the error
 * @returns the call's non-negative result
 * @throws {SysError}
 */
export function ioctl(fd: number, request: number, argument: Bytes, call: string): number {
  for (;;) {
    const result = libc.ioctl_buffer(fd, request, argument as ArrayBufferView<ArrayBuffer>);
    if (result >= 0) return result;
    const code = errno();
    if (code !== EINTR) throw new SysError(`ioctl(${call})`, code, call);
  }
}

/**
 * ioctl(fd, request, value) for the requests whose argument is a number; EINTR is retried.
 *
 * @returns the call's non-negative result
 * @throws {SysError}
 */
export function ioctlValue(
  fd: number,
  request: number,
  value: number | bigint,
  call: string,
): number {
  for (;;) {
    const result = libc.ioctl_value(fd, request, BigInt(value));
    if (result >= 0) return result;
    const code = errno();
    if (code !== EINTR) throw new SysError(`ioctl(${call})`, code, call);
  }
}

/**
 * ioctl(fd, request, 0) on the fast path: no allocation, no exception, EINTR not retried.
 *
 * This is how a vCPU enters its guest.
 *
 * @returns the call's result; -1 with {@link errno} set where it failed
 */
export function ioctlRaw(fd: number, request: number): number {
  return enter(fd, request, null);
}

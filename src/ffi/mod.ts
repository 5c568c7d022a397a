/**
 * The door to C: the only folder that opens libraries or makes pointers.
 *
 * Among what it offers is {@linkcode IoLoop}, an event loop on io_uring for code that waits for eventfds, descriptors,
 * timers and file operations in one system call:
 *
 * ```ts
 * import { EventFd, IoLoop } from "denovisor/ffi";
 *
 * using loop = new IoLoop();
 * using bell = new EventFd("bell");
 * const scope = loop.scope((error) => {
 *   throw error;
 * });
 * let rung = 0;
 * scope.event(bell.raw, () => rung++);
 * bell.signal();
 * loop.turn();
 * if (rung !== 1) throw new Error("every signal calls back");
 * scope.close();
 * ```
 *
 * Two ways of failing: what prepares something throws a {@linkcode SysError}; what a device does for its guest
 * again and again (`readv`, `writev`, `preadv`, `pwritev`, `fallocate`, `discardPages`, `acceptUnix`,
 * `connectUnix`, `shutdownSocket`, and all results of an {@linkcode IoOperation}) gives a negative errno.
 * @module
 */
export * from "./epoll.ts";
export * from "./errno.ts";
export * from "./eventfd.ts";
export * from "./fd.ts";
export * from "./file.ts";
export * from "./file_lock.ts";
export * from "./heap.ts";
export * from "./inet.ts";
export type { BusySource } from "./io_busy.ts";
export * from "./io_loop.ts";
export * from "./io_scope.ts";
export * from "./io_uring_probe.ts";
export * from "./io_vectors.ts";
export * from "./ioctl.ts";
export * from "./mapping.ts";
export * from "./process_start.ts";
export * from "./program_pages.ts";
export * from "./signal.ts";
export * from "./tap.ts";
export * from "./terminal.ts";
export * from "./unix_socket.ts";
export * from "./vectored_io.ts";

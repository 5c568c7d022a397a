/**
 * The door to C: the only folder that opens libraries or makes pointers.
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
export * from "./io_loop.ts";
export * from "./io_scope.ts";
export * from "./io_uring_probe.ts";
export * from "./io_vectors.ts";
export * from "./ioctl.ts";
export * from "./mapping.ts";
export * from "./signal.ts";
export * from "./tap.ts";
export * from "./terminal.ts";
export * from "./unix_socket.ts";
export * from "./vectored_io.ts";

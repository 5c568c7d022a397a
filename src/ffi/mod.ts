/**
 * The door to C: the only folder that opens libraries or makes pointers.
 * @module
 */
export * from "./errno.ts";
export * from "./eventfd.ts";
export * from "./fd.ts";
export * from "./io_loop.ts";
export * from "./io_scope.ts";
export * from "./io_uring_probe.ts";
export * from "./io_vectors.ts";
export * from "./ioctl.ts";
export * from "./mapping.ts";
export * from "./signal.ts";

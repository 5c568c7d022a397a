/**
 * Whether this process may use io_uring.
 * @module
 */
import { errno, SysError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";

/** The number of io_uring_setup(2), the same on x86-64 and aarch64 (asm-generic/unistd.h). */
const SYS_IO_URING_SETUP = 425n;

/** The size of struct io_uring_params (linux/io_uring.h). */
const PARAMS_SIZE = 120;
/** Where `features` is in it. */
const FEATURES_OFFSET = 20;

/** What io_uring_setup(2) said about itself. */
export interface IoUring {
  /** IORING_FEAT_* bits. */
  readonly features: number;
}

/**
 * Sets up the smallest ring there is and takes it down again.
 *
 * @throws {SysError} ENOSYS: a kernel before 5.1, or a container's seccomp filter; EPERM: the sysctl
 *   kernel.io_uring_disabled or a seccomp filter; ENOMEM: RLIMIT_MEMLOCK of old kernels
 */
export function probeIoUring(): IoUring {
  // All flags zero: the kernel chooses everything but the number of entries.
  const params = new Uint8Array(PARAMS_SIZE);
  const fd = Number(libc.syscall_u32_buffer(SYS_IO_URING_SETUP, 1, params));
  if (fd < 0) throw new SysError("io_uring_setup", errno(), "setting up an io_uring");
  new Fd(fd, "io_uring").close();
  return { features: new DataView(params.buffer).getUint32(FEATURES_OFFSET, true) };
}

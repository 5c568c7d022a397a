/**
 * Whether this process may use io_uring.
 * @module
 */
import { errno, SysError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { io_uring_params, SYS_io_uring_setup } from "./io_uring_abi.ts";
import { libc } from "./libc.ts";

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
  const params = new Uint8Array(io_uring_params.size);
  const fd = Number(libc.syscall_u32_buffer(BigInt(SYS_io_uring_setup), 1, params));
  if (fd < 0) throw new SysError("io_uring_setup", errno(), "setting up an io_uring");
  new Fd(fd, "io_uring").close();
  return { features: new DataView(params.buffer).getUint32(io_uring_params.features, true) };
}

/**
 * The numbers of io_uring that this program uses (include/uapi/linux/io_uring.h), under the kernel's names.
 *
 * Offsets and sizes are in bytes. The ABI is the same on x86-64 and aarch64, both little-endian.
 * @module
 */

/** The system calls' numbers, the same on x86-64 and aarch64 (asm-generic/unistd.h). */
export const SYS_io_uring_setup = 425;
export const SYS_io_uring_enter = 426;

/** Flags of io_uring_setup(2). */
export const IORING_SETUP_CQSIZE = 1 << 3;
export const IORING_SETUP_CLAMP = 1 << 4;
/** Go on with the next entry where one is refused (Linux 5.18). */
export const IORING_SETUP_SUBMIT_ALL = 1 << 7;
/** A flag in the rings' memory says that there are completions to be worked on (5.19). */
export const IORING_SETUP_TASKRUN_FLAG = 1 << 9;
/** One thread alone submits (6.0). */
export const IORING_SETUP_SINGLE_ISSUER = 1 << 12;
/** Completions are worked on when that thread asks for them, not whenever it enters the kernel (6.1). */
export const IORING_SETUP_DEFER_TASKRUN = 1 << 13;

/** Flags in the submission ring that the kernel sets: completions wait for room, or to be worked on. */
export const IORING_SQ_CQ_OVERFLOW = 1 << 1;
export const IORING_SQ_TASKRUN = 1 << 2;

/** Features that the kernel reports. */
export const IORING_FEAT_SINGLE_MMAP = 1 << 0;
export const IORING_FEAT_NODROP = 1 << 1;
export const IORING_FEAT_SUBMIT_STABLE = 1 << 2;
export const IORING_FEAT_EXT_ARG = 1 << 8;
export const IORING_FEAT_CQE_SKIP = 1 << 11;

/** Where the rings are mapped. */
export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_SQES = 0x10000000;

/** Flags of io_uring_enter(2). */
export const IORING_ENTER_GETEVENTS = 1 << 0;
export const IORING_ENTER_EXT_ARG = 1 << 3;

/** What an entry asks for. */
export const IORING_OP_READV = 1;
export const IORING_OP_WRITEV = 2;
export const IORING_OP_FSYNC = 3;
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_FALLOCATE = 17;
export const IORING_OP_READ = 22;
export const IORING_OP_WRITE = 23;

/** An entry's flag: no completion where it succeeds (5.17). */
export const IOSQE_CQE_SKIP_SUCCESS = 1 << 6;
export const IORING_FSYNC_DATASYNC = 1 << 0;
/** Poll again and again (5.13). */
export const IORING_POLL_ADD_MULTI = 1 << 0;
/** Cancel every match, and let everything match (5.19). */
export const IORING_ASYNC_CANCEL_ALL = 1 << 0;
export const IORING_ASYNC_CANCEL_ANY = 1 << 2;

/** A completion's flag: more will come for the same entry. */
export const IORING_CQE_F_MORE = 1 << 1;

/** struct io_uring_params. */
export const io_uring_params = {
  size: 120,
  sq_entries: 0,
  cq_entries: 4,
  flags: 8,
  features: 20,
  sq_off: 40,
  cq_off: 80,
} as const;

/** struct io_sqring_offsets. */
export const io_sqring_offsets = {
  size: 40,
  head: 0,
  tail: 4,
  ring_mask: 8,
  ring_entries: 12,
  flags: 16,
  array: 24,
} as const;

/** struct io_cqring_offsets. */
export const io_cqring_offsets = {
  size: 40,
  head: 0,
  tail: 4,
  ring_mask: 8,
  ring_entries: 12,
  overflow: 16,
  cqes: 20,
} as const;

/** struct io_uring_sqe. The fields of one offset are alternatives. */
export const io_uring_sqe = {
  size: 64,
  opcode: 0,
  flags: 1,
  ioprio: 2,
  fd: 4,
  off: 8,
  addr: 16,
  len: 24,
  rw_flags: 28,
  fsync_flags: 28,
  poll32_events: 28,
  cancel_flags: 28,
  user_data: 32,
  buf_index: 40,
  personality: 42,
  splice_fd_in: 44,
} as const;

/** struct io_uring_cqe. */
export const io_uring_cqe = { size: 16, user_data: 0, res: 8, flags: 12 } as const;

/** struct io_uring_getevents_arg. */
export const io_uring_getevents_arg = { size: 24, sigmask: 0, sigmask_sz: 8, ts: 16 } as const;

/** struct __kernel_timespec (linux/time_types.h). */
export const __kernel_timespec = { size: 16, tv_sec: 0, tv_nsec: 8 } as const;

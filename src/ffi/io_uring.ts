/**
 * One io_uring: its two rings in memory, and the one system call that moves them.
 *
 * A ring belongs to the isolate that made it, which is one thread for good. Its memory is mapped plainly and seen
 * through ArrayBuffers, which V8 neither owns nor frees. Once the ring is disposed of, no view of that memory is
 * left that could be used.
 *
 * Nothing here allocates or makes a BigInt after the setup: entries are written as 32-bit words.
 * @module
 */
import { EAGAIN, EBUSY, EINTR, EINVAL, errno, ETIME, SysError } from "./errno.ts";
import { Fd } from "./fd.ts";
import * as abi from "./io_uring_abi.ts";
import { libc } from "./libc.ts";
import { bufferAddress, mapPlain, type PlainMapping } from "./mapping.ts";

const { io_uring_params, io_sqring_offsets, io_cqring_offsets } = abi;

/** A ring for one thread, which works on completions when it asks for them: what every kernel from 6.1 has. */
const BEST_SETUP = abi.IORING_SETUP_SUBMIT_ALL | abi.IORING_SETUP_SINGLE_ISSUER |
  abi.IORING_SETUP_DEFER_TASKRUN | abi.IORING_SETUP_TASKRUN_FLAG;
/** What the kernel sets where there is something that only io_uring_enter(2) brings. */
const STIRRED = abi.IORING_SQ_TASKRUN | abi.IORING_SQ_CQ_OVERFLOW;

/** What this program can't do without, all of it in Linux 5.17. */
const NEEDED_FEATURES = abi.IORING_FEAT_SINGLE_MMAP | abi.IORING_FEAT_NODROP |
  abi.IORING_FEAT_SUBMIT_STABLE | abi.IORING_FEAT_EXT_ARG | abi.IORING_FEAT_CQE_SKIP;

const SETUP = BigInt(abi.SYS_io_uring_setup);
const ENTER = BigInt(abi.SYS_io_uring_enter);
const GETEVENTS_ARG_SIZE = BigInt(abi.io_uring_getevents_arg.size);
const ENTER_FLAGS = abi.IORING_ENTER_GETEVENTS | abi.IORING_ENTER_EXT_ARG;

const SQE_WORDS = abi.io_uring_sqe.size / 4;
const CQE_WORDS = abi.io_uring_cqe.size / 4;
// The argument of io_uring_enter and the time that it points to lie in one buffer, seen as 32-bit words.
const ARGUMENT_TS = abi.io_uring_getevents_arg.ts / 4;
const TIME_AT = abi.io_uring_getevents_arg.size;
const TIME_SECONDS = TIME_AT / 4;
const TIME_NANOSECONDS = TIME_SECONDS + abi.__kernel_timespec.tv_nsec / 4;

/** A cancellation, silent where it succeeds. */
const CANCEL = abi.IORING_OP_ASYNC_CANCEL | abi.IOSQE_CQE_SKIP_SUCCESS << 8;

const HIGH = 0x1_0000_0000;
/** How long to wait for completions when the kernel has no memory for a request, in nanoseconds. */
const SHORT_OF_MEMORY_WAIT = 10e6;
/** Longer waits are cut to this (11 days), so that nothing overflows. */
const LONGEST_WAIT = 1e15;

/** How a ring is set up. */
export interface RingOptions {
  /** How many entries can be queued for one system call; the kernel rounds up to a power of two. */
  readonly entries: number;
  /** The IORING_SETUP_* flags to try, best first; a kernel that refuses one set (EINVAL) is asked for the next. */
  readonly setups?: readonly number[];
}

/** The kernel's answer to io_uring_setup(2). */
interface Setup {
  readonly fd: Fd;
  readonly params: DataView;
}

function setUp({ entries, setups = [BEST_SETUP, 0] }: RingOptions): Setup {
  for (const [i, setup] of setups.entries()) {
    const params = new DataView(new ArrayBuffer(io_uring_params.size));
    const flags = setup | abi.IORING_SETUP_CQSIZE | abi.IORING_SETUP_CLAMP;
    params.setUint32(io_uring_params.flags, flags, true);
    // Each entry that is under way can complete at any time, many at once.
    params.setUint32(io_uring_params.cq_entries, entries * 4, true);
    const raw = Number(libc.syscall_u32_buffer(SETUP, entries, new Uint8Array(params.buffer)));
    if (raw >= 0) return { fd: new Fd(raw, "io_uring"), params };
    const code = errno();
    if (code !== EINVAL || i === setups.length - 1) {
      throw new SysError("io_uring_setup", code, "setting up an io_uring");
    }
  }
  throw new RangeError("no way to set up an io_uring was given");
}

/** The submission and completion rings. */
export class Ring implements Disposable {
  /** IORING_SETUP_* flags that are in force. */
  readonly flags: number;
  /** How many entries fit into the submission ring. */
  readonly entries: number;
  readonly #fd: Fd;
  readonly #raw: number;
  readonly #rings: PlainMapping;
  readonly #sqeMapping: PlainMapping;

  // 32-bit words of the mappings; the indices are words too.
  #ring: Uint32Array<ArrayBuffer>;
  #sqes: Uint32Array<ArrayBuffer>;
  readonly #sqHeadAt: number;
  readonly #sqTailAt: number;
  readonly #sqMask: number;
  readonly #sqFlagsAt: number;
  readonly #cqHeadAt: number;
  readonly #cqTailAt: number;
  readonly #cqMask: number;
  readonly #cqesAt: number;

  // Our side of the rings. The kernel moves the submission ring's head in io_uring_enter only.
  #sqHead = 0;
  #sqTail = 0;
  #cqHead = 0;

  readonly #argument = new Uint32Array(
    new SharedArrayBuffer(TIME_AT + abi.__kernel_timespec.size),
  );
  readonly #argumentPointer: Deno.PointerValue;
  readonly #timeAddress: number;

  /** The user_data of the completion that {@linkcode next} took, in halves. */
  userDataLow = 0;
  userDataHigh = 0;
  /** Its result: not negative, or a negative errno. */
  result = 0;
  /** Its IORING_CQE_F_* flags. */
  completionFlags = 0;

  /**
   * @throws {SysError} EPERM, ENOSYS where io_uring is not allowed; ENOMEM
   * @throws {Error} where the kernel is too old
   */
  constructor(options: RingOptions) {
    using cleanup = new DisposableStack();
    const { fd, params } = setUp(options);
    cleanup.use(fd);
    const field = (offset: number) => params.getUint32(offset, true);
    const missing = NEEDED_FEATURES & ~field(io_uring_params.features);
    if (missing !== 0) {
      const bits = missing.toString(16);
      throw new Error(
        `this kernel's io_uring lacks features (0x${bits}): Linux 6.1 or later is needed`,
      );
    }
    const sq = (name: keyof typeof io_sqring_offsets) =>
      field(io_uring_params.sq_off + io_sqring_offsets[name]);
    const cq = (name: keyof typeof io_cqring_offsets) =>
      field(io_uring_params.cq_off + io_cqring_offsets[name]);
    this.flags = field(io_uring_params.flags);
    this.entries = field(io_uring_params.sq_entries);
    const cqEntries = field(io_uring_params.cq_entries);

    const ringSize = Math.max(
      sq("array") + this.entries * 4,
      cq("cqes") + cqEntries * abi.io_uring_cqe.size,
    );
    this.#rings = cleanup.use(mapPlain(fd.raw, ringSize, abi.IORING_OFF_SQ_RING, "io_uring rings"));
    const sqeSize = this.entries * abi.io_uring_sqe.size;
    this.#sqeMapping = cleanup.use(
      mapPlain(fd.raw, sqeSize, abi.IORING_OFF_SQES, "io_uring entries"),
    );
    this.#ring = new Uint32Array(this.#rings.buffer);
    this.#sqes = new Uint32Array(this.#sqeMapping.buffer);
    this.#sqHeadAt = sq("head") / 4;
    this.#sqTailAt = sq("tail") / 4;
    this.#sqMask = this.#ring[sq("ring_mask") / 4];
    this.#sqFlagsAt = sq("flags") / 4;
    this.#cqHeadAt = cq("head") / 4;
    this.#cqTailAt = cq("tail") / 4;
    this.#cqMask = this.#ring[cq("ring_mask") / 4];
    this.#cqesAt = cq("cqes") / 4;
    // Entry n of the ring is always n of the array of entries.
    for (let i = 0; i < this.entries; i++) this.#ring[sq("array") / 4 + i] = i;

    const argument = bufferAddress(this.#argument.buffer);
    this.#argumentPointer = Deno.UnsafePointer.create(BigInt(argument));
    this.#timeAddress = argument + TIME_AT;
    this.#fd = fd;
    this.#raw = fd.raw;
    cleanup.move();
  }

  /** The descriptor's number. */
  get fd(): number {
    return this.#fd.raw;
  }

  /** How many entries wait for {@linkcode enter}. */
  get queued(): number {
    return (this.#sqTail - this.#sqHead) >>> 0;
  }

  /**
   * Queues an entry; when the ring is full, what is in it is submitted first.
   *
   * @param head the first word: opcode, and flags from bit 8 on
   * @param opFlags the word whose meaning the operation defines
   * @throws {SysError} when the kernel takes no entry off a full ring, for lack of memory
   */
  push(
    head: number,
    fd: number,
    offset: number,
    address: number,
    length: number,
    opFlags: number,
    userDataLow: number,
    userDataHigh: number,
  ): void {
    const at = this.#entry();
    const sqes = this.#sqes;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = offset;
    sqes[at + 3] = offset / HIGH;
    sqes[at + 4] = address;
    sqes[at + 5] = address / HIGH;
    sqes[at + 6] = length;
    sqes[at + 7] = opFlags;
    sqes[at + 8] = userDataLow;
    sqes[at + 9] = userDataHigh;
    // The other words stay zero, as they were mapped.
    this.#sqTail = (this.#sqTail + 1) >>> 0;
  }

  /**
   * Queues the cancellation of entries.
   *
   * @param cancelFlags IORING_ASYNC_CANCEL_*; with none of them, of the one with this user_data
   * @param userData the low half of the cancellation's own user_data; the high half is zero
   * @throws {SysError} as {@linkcode push}
   */
  pushCancel(
    victimLow: number,
    victimHigh: number,
    cancelFlags: number,
    userData: number,
  ): void {
    // The victim's user_data is in the place of the address. Its halves are 32 bits each, so that they can't
    // travel as one number.
    const at = this.#entry();
    const sqes = this.#sqes;
    sqes.fill(0, at, at + SQE_WORDS);
    sqes[at] = CANCEL;
    sqes[at + 1] = -1;
    sqes[at + 4] = victimLow;
    sqes[at + 5] = victimHigh;
    sqes[at + 7] = cancelFlags;
    sqes[at + 8] = userData;
    this.#sqTail = (this.#sqTail + 1) >>> 0;
  }

  /** Where the next free entry is. When the ring is full, what is in it is submitted first. */
  #entry(): number {
    if (this.queued >= this.entries) {
      this.enter(0, 0);
      if (this.queued >= this.entries) {
        throw new SysError("io_uring_enter", EAGAIN, "submitting I/O to a full io_uring");
      }
    }
    return (this.#sqTail & this.#sqMask) * SQE_WORDS;
  }

  /**
   * Submits what is queued, and waits.
   *
   * Returns early where a signal came, or the kernel took only a part of the entries; the caller comes again.
   *
   * @param completions wait until there are so many; 0 waits for nothing
   * @param nanoseconds wait at most so long; Infinity for as long as it takes
   * @throws {SysError}
   */
  enter(completions: number, nanoseconds: number): void {
    const code = this.#enter(this.queued, completions, nanoseconds);
    if (code === 0 || code === ETIME || code === EINTR) return;
    if (code !== EAGAIN && code !== EBUSY) {
      throw new SysError("io_uring_enter", code, "submitting I/O");
    }
    // The kernel has no memory for a request: what completes gives some back.
    if (completions === 0 || this.available > 0) return;
    this.#enter(0, 1, Math.min(nanoseconds, SHORT_OF_MEMORY_WAIT));
  }

  /** io_uring_enter(2) itself. @returns 0 or the errno */
  #enter(submit: number, completions: number, nanoseconds: number): number {
    const ring = this.#ring;
    const argument = this.#argument;
    if (completions === 0 || nanoseconds === Infinity) {
      argument[ARGUMENT_TS] = 0;
      argument[ARGUMENT_TS + 1] = 0;
    } else {
      const wait = Math.min(nanoseconds, LONGEST_WAIT);
      const seconds = Math.floor(wait / 1e9);
      argument[TIME_SECONDS] = seconds;
      argument[TIME_NANOSECONDS] = wait - seconds * 1e9;
      argument[ARGUMENT_TS] = this.#timeAddress;
      argument[ARGUMENT_TS + 1] = this.#timeAddress / HIGH;
    }
    Atomics.store(ring, this.#cqHeadAt, this.#cqHead);
    Atomics.store(ring, this.#sqTailAt, this.#sqTail);
    // SAFETY: the argument lies in a buffer that this object holds; the kernel reads it in this call only.
    const taken = libc.syscall_io_uring_enter(
      ENTER,
      this.#raw,
      submit,
      completions,
      ENTER_FLAGS,
      this.#argumentPointer,
      GETEVENTS_ARG_SIZE,
    );
    const code = taken < 0 ? errno() : 0;
    this.#sqHead = Atomics.load(ring, this.#sqHeadAt);
    return code;
  }

  /** How many completions are there to be taken. */
  get available(): number {
    return (Atomics.load(this.#ring, this.#cqTailAt) - this.#cqHead) >>> 0;
  }

  /** Whether there are completions, or will be after {@linkcode enter}. Looks at memory alone. */
  get stirred(): boolean {
    return this.available > 0 || (Atomics.load(this.#ring, this.#sqFlagsAt) & STIRRED) !== 0;
  }

  /** Takes the next completion, of which there must be one {@linkcode available}, into this object's fields. */
  next(): void {
    const ring = this.#ring;
    const at = this.#cqesAt + (this.#cqHead & this.#cqMask) * CQE_WORDS;
    this.userDataLow = ring[at];
    this.userDataHigh = ring[at + 1];
    this.result = ring[at + 2] | 0;
    this.completionFlags = ring[at + 3];
    this.#cqHead = (this.#cqHead + 1) >>> 0;
  }

  /**
   * Unmaps the rings and closes the descriptor; a second call does nothing. The kernel ends what is under way
   * some time after this, so nothing should be.
   */
  [Symbol.dispose](): void {
    this.#ring = this.#sqes = new Uint32Array(0);
    this.#sqHead = this.#sqTail = 0;
    this.#rings[Symbol.dispose]();
    this.#sqeMapping[Symbol.dispose]();
    this.#fd.close();
  }
}

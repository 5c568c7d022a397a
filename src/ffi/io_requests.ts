/**
 * The three kinds of requests that an event loop has in its ring: events, polls and operations.
 * @module
 */
import { ECANCELED, SysError } from "./errno.ts";
import type { IoEvent, IoOperation, IoPoll } from "./io_scope.ts";
import { POLLIN } from "./io_scope.ts";
import { Request, type RequestOwner } from "./io_slots.ts";
import * as abi from "./io_uring_abi.ts";
import type { IoVectors } from "./io_vectors.ts";

/** Buffers that are longer go through an array of vectors: an entry's length has 32 bits (MAX_RW_COUNT). */
const LONGEST_BUFFER = 0x7fff_f000;

/** An eventfd that is polled for good: one entry, a completion for every signal. */
export class EventRequest extends Request implements IoEvent {
  readonly #eventfd: number;
  readonly #fire: () => void;

  constructor(owner: RequestOwner, eventfd: number, fire: () => void) {
    super(owner);
    this.#eventfd = eventfd;
    this.#fire = fire;
    owner.slots.add(this);
    this.#submit();
  }

  #submit(): void {
    const { owner, slot, generation } = this;
    const { IORING_OP_POLL_ADD, IORING_POLL_ADD_MULTI } = abi;
    owner.ring.push(
      IORING_OP_POLL_ADD,
      this.#eventfd,
      0,
      0,
      IORING_POLL_ADD_MULTI,
      POLLIN,
      slot,
      generation,
    );
  }

  override complete(result: number, flags: number): void {
    if (result < 0 && result !== -ECANCELED) {
      this.owner.forget(this);
      throw new SysError("poll", -result, `waiting for eventfd ${this.#eventfd}`);
    }
    // The kernel ends a multishot poll when the completion ring is full, and when signals come faster than it
    // counts (ECANCELED). A new one looks at the counter first, which is not zero, so nothing is lost.
    if ((flags & abi.IORING_CQE_F_MORE) === 0) this.#submit();
    this.#fire();
  }

  override end(): void {
    this.cancel();
    this.owner.slots.remove(this);
  }

  close(): void {
    this.owner.forget(this);
  }
}

/** A descriptor that is polled once for each time it is armed. */
export class PollRequest extends Request implements IoPoll {
  armed = false;
  readonly #fd: number;
  readonly #events: number;
  readonly #ready: (events: number) => void;
  #closed = false;

  constructor(owner: RequestOwner, fd: number, events: number, ready: (events: number) => void) {
    super(owner);
    this.#fd = fd;
    this.#events = events;
    this.#ready = ready;
    owner.slots.add(this);
  }

  arm(): void {
    if (this.armed) return;
    if (this.#closed) throw new Error(`the poll of descriptor ${this.#fd} is closed`);
    const { owner } = this;
    owner.slots.renew(this);
    const { slot, generation } = this;
    owner.ring.push(abi.IORING_OP_POLL_ADD, this.#fd, 0, 0, 0, this.#events, slot, generation);
    this.armed = true;
  }

  disarm(): void {
    if (!this.armed) return;
    this.armed = false;
    this.cancel();
    // A completion may be on its way already.
    this.owner.slots.renew(this);
  }

  override complete(result: number): void {
    this.armed = false;
    if (result >= 0) return this.#ready(result);
    if (result === -ECANCELED) return this.arm();
    throw new SysError("poll", -result, `waiting for descriptor ${this.#fd}`);
  }

  override end(): void {
    this.disarm();
    this.#closed = true;
    this.owner.slots.remove(this);
  }

  close(): void {
    this.owner.forget(this);
  }
}

/** A slot for one system call at a time. */
export class OperationRequest extends Request implements IoOperation {
  busy = false;
  readonly #completed: (result: number) => void;
  // The kernel reads the vectors when the entry is submitted; until then they must not be collected.
  #vectors: IoVectors | undefined;

  constructor(owner: RequestOwner, completed: (result: number) => void) {
    super(owner);
    this.#completed = completed;
    owner.slots.add(this);
  }

  readv(fd: number, vectors: IoVectors, count: number, offset: number): void {
    const { IORING_OP_READ, IORING_OP_READV } = abi;
    this.#transfer(IORING_OP_READ, IORING_OP_READV, fd, vectors, count, offset, 0);
  }

  writev(fd: number, vectors: IoVectors, count: number, offset: number, flags: number = 0): void {
    const { IORING_OP_WRITE, IORING_OP_WRITEV } = abi;
    this.#transfer(IORING_OP_WRITE, IORING_OP_WRITEV, fd, vectors, count, offset, flags);
  }

  fdatasync(fd: number): void {
    this.#start(abi.IORING_OP_FSYNC, fd, 0, 0, 0, abi.IORING_FSYNC_DATASYNC);
  }

  fallocate(fd: number, mode: number, offset: number, length: number): void {
    // The entry has the length where others have an address, and the mode where they have a length.
    this.#start(abi.IORING_OP_FALLOCATE, fd, offset, length, mode, 0);
  }

  #transfer(
    one: number,
    many: number,
    fd: number,
    vectors: IoVectors,
    count: number,
    offset: number,
    flags: number,
  ): void {
    if (!(count >= 1 && count <= vectors.capacity)) {
      throw new RangeError(`${count} I/O vectors of ${vectors.capacity}`);
    }
    // A single vector is taken apart here, which spares the kernel the copying of an array.
    const length = vectors.lengthOf(0);
    if (count === 1 && length <= LONGEST_BUFFER) {
      this.#start(one, fd, offset, vectors.addressOf(0), length, flags);
      return;
    }
    this.#start(many, fd, offset, vectors.address, count, flags);
    this.#vectors = vectors;
  }

  #start(
    opcode: number,
    fd: number,
    offset: number,
    address: number,
    length: number,
    flags: number,
  ): void {
    const { owner } = this;
    if (this.busy) throw new Error("the operation is under way already");
    if (!owner.open) throw new Error("the operation's part of the event loop is closed");
    if (!(offset >= 0)) throw new RangeError(`there is no file offset ${offset}`);
    owner.ring.push(opcode, fd, offset, address, length, flags, this.slot, this.generation);
    this.busy = true;
    owner.pending++;
  }

  override complete(result: number): void {
    const { owner } = this;
    this.busy = false;
    this.#vectors = undefined;
    owner.pending--;
    if (!owner.open) owner.slots.remove(this);
    this.#completed(result);
  }

  override end(): void {
    // One that is under way keeps its slot until it has completed.
    if (!this.busy) this.owner.slots.remove(this);
  }
}

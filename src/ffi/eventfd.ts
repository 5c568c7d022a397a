/**
 * eventfd(2): a counter in the kernel that wakes whoever waits for it, and the coin in which KVM deals
 * with interrupts (irqfd) and notifications (ioeventfd).
 * @module
 */
import { check, EAGAIN, EINTR, errno, SysError } from "./errno.ts";
import { Fd, O_CLOEXEC, O_NONBLOCK } from "./fd.ts";
import { libc } from "./libc.ts";
import { bufferAddress } from "./mapping.ts";

// write(2) takes eight bytes, the number to add. One constant serves every signal of this isolate. It goes by its
// address: a view's bytes are looked for outside of the compiled code, at each call.
const one = new BigUint64Array(new SharedArrayBuffer(8));
one[0] = 1n;
const oneAt = Deno.UnsafePointer.create(BigInt(bufferAddress(one.buffer)));
const eight = 8n;

/**
 * Adds one to the counter of an eventfd: the hot path of an interrupt, without allocation.
 *
 * A counter that is full (EAGAIN) already means "signalled", so that is success.
 *
 * @throws {SysError} when the descriptor is not a writable eventfd
 */
export function signalEventFd(fd: number): void {
  for (;;) {
    // SAFETY: the kernel reads `one`, which is never collected: this function has it, if only for its error.
    if (libc.write_pointer(fd, oneAt, eight) === 8) return;
    const code = errno();
    if (code === EAGAIN) return;
    if (code !== EINTR) throw new SysError("write", code, `adding ${one[0]} to eventfd ${fd}`);
  }
}

/** An eventfd of our own, non-blocking and closed on exec. */
export class EventFd implements Disposable {
  readonly #fd: Fd;
  readonly #counter = new BigUint64Array(1);
  readonly #bytes = new Uint8Array(this.#counter.buffer);

  /** @param what names it in errors, such as `"serial interrupt"` */
  constructor(readonly what: string) {
    const raw = libc.eventfd(0, O_CLOEXEC | O_NONBLOCK);
    this.#fd = new Fd(check(raw, "eventfd", what), what);
  }

  /** The descriptor's number, for KVM and for other isolates. */
  get raw(): number {
    return this.#fd.raw;
  }

  /** Adds one. */
  signal(): void {
    signalEventFd(this.#fd.raw);
  }

  /** Takes the counter's value and sets it to zero; 0n when nothing was signalled. */
  drain(): bigint {
    for (;;) {
      if (libc.read(this.#fd.raw, this.#bytes, eight) === 8) return this.#counter[0];
      const code = errno();
      if (code === EAGAIN) return 0n;
      if (code !== EINTR) throw new SysError("read", code, this.what);
    }
  }

  /** Closes the descriptor. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

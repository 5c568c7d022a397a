/**
 * One way to the disk's platter for all who want their writes there.
 *
 * The kernel tells of a failed write-back once, to whoever syncs first; the pages are then clean, and the next
 * fdatasync(2) says all is well although data is lost. So there is one sync at a time: whoever asks meanwhile shares
 * the next, which begins after all they wait for has completed. And a sync that failed is never taken back: from
 * then on all of them fail, until the disk is opened anew.
 * @module
 */
import { EINTR, type IoOperation, type IoScope } from "../../../src/ffi/mod.ts";

/** Who waits for a sync. */
export interface FlushWaiter {
  /** @param errno 0: all writes that were complete when it was asked for are durable */
  flushed(errno: number): void;
}

/** Shares syncs of one descriptor. Belongs to one isolate. */
export class FlushGate {
  readonly #fd: number;
  readonly #operation: IoOperation;
  /** Those that the sync under way is for. */
  #running: FlushWaiter[] = [];
  /** Those that the next one is for. */
  #waiting: FlushWaiter[] = [];
  #spare: FlushWaiter[] = [];
  #lost = 0;

  constructor(io: IoScope, fd: number) {
    this.#fd = fd;
    this.#operation = io.operation((result) => this.#completed(result));
  }

  /** The errno with which writes were lost; 0: none were. */
  get lost(): number {
    return this.#lost;
  }

  /** Makes all completed writes durable, then calls the waiter back; from inside this call if that is hopeless. */
  request(waiter: FlushWaiter): void {
    if (this.#lost !== 0) {
      waiter.flushed(this.#lost);
    } else if (this.#operation.busy) {
      this.#waiting.push(waiter);
    } else {
      this.#running.push(waiter);
      this.#operation.fdatasync(this.#fd);
    }
  }

  /** Writes that were reported done are lost: no sync succeeds any more. */
  lose(errno: number): void {
    if (this.#lost === 0) this.#lost = errno;
  }

  #completed(result: number): void {
    if (result === -EINTR) {
      this.#operation.fdatasync(this.#fd);
      return;
    }
    if (result < 0) this.lose(-result);
    const done = this.#running;
    this.#running = this.#waiting;
    this.#waiting = this.#spare;
    this.#spare = done;
    const lost = this.#lost;
    // Before anyone is told: they may ask for more.
    if (lost === 0 && this.#running.length > 0) this.#operation.fdatasync(this.#fd);
    tell(done, lost);
    if (lost !== 0) tell(this.#running, lost);
  }
}

function tell(waiters: FlushWaiter[], errno: number): void {
  for (const waiter of waiters) waiter.flushed(errno);
  waiters.length = 0;
}

/**
 * An event loop on io_uring: one isolate's eventfds, polls, timers and file operations, waited for together in one
 * system call.
 *
 * The loop is turned by its owner ({@linkcode IoLoop.turn}), again and again; while nothing happens, the thread
 * sleeps. Everything else happens in callbacks of a turn. Neither a turn nor a request allocates.
 *
 * Needs Linux 6.1: multishot polls that lose nothing, and completions that are worked on when they are asked for.
 * @module
 */
import { BusyPoll, LONGEST_LOOK } from "./io_busy.ts";
import { type LoopParts, LoopScope, type LoopTimer } from "./io_loop_scope.ts";
import type { IoScope } from "./io_scope.ts";
import { NOBODY, SlotTable } from "./io_slots.ts";
import { TimerHeap } from "./io_timers.ts";
import { Ring } from "./io_uring.ts";
import { IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY } from "./io_uring_abi.ts";

/** How a loop is made. */
export interface IoLoopOptions {
  /** How many requests go to the kernel in one call; 256 when left out. There can be more under way. */
  readonly entries?: number;
  /** Ways to set the ring up, best first, instead of the usual ones: for tests of what older kernels do. */
  readonly setups?: readonly number[];
  /** How long it looks at its sources before it sleeps, at most, in nanoseconds; 0 never looks. */
  readonly longestLook?: number;
}

/** The event loop of one isolate. */
export class IoLoop implements Disposable {
  readonly #ring: Ring;
  readonly #parts: LoopParts;
  #turning = false;
  #closed = false;
  // The time of this turn; NaN while nobody has asked for it.
  #now = NaN;

  /**
   * @throws {SysError} EPERM or ENOSYS where io_uring is not allowed to this process
   * @throws {Error} where the kernel is too old
   */
  constructor(options: IoLoopOptions = {}) {
    this.#ring = new Ring({ ...options, entries: options.entries ?? 256 });
    this.#parts = {
      ring: this.#ring,
      slots: new SlotTable(),
      timers: new TimerHeap<LoopTimer>(),
      busy: new BusyPoll(options.longestLook ?? LONGEST_LOOK),
      scopes: new Set(),
      waiting: [],
      failures: [],
      clock: this,
    };
  }

  /**
   * A part of the loop with one owner.
   *
   * @param onError is given what the scope's callbacks throw, and each failure of a poll or an event (SysError)
   */
  scope(onError: (error: unknown) => void): IoScope {
    if (this.#closed) throw new Error("the event loop was disposed of");
    return new LoopScope(this.#parts, onError);
  }

  /** Milliseconds of performance.now(), read once in a turn; outside of turns, read each time. */
  get now(): number {
    if (!this.#turning) return performance.now();
    // Only NaN differs from itself.
    if (this.#now !== this.#now) this.#now = performance.now();
    return this.#now;
  }

  /** Whether a turn is going on. */
  get turning(): boolean {
    return this.#turning;
  }

  /**
   * One turn: submits what is queued, sleeps until something happens, and calls back for all that did.
   *
   * A turn may end without a callback, as when a signal has come.
   *
   * @param maxWaitMs sleep at most so long, in milliseconds; 0 sleeps not at all
   * @throws {SysError} where the kernel refuses the ring as a whole
   * @throws {unknown} what an `onError` has thrown, once all callbacks of this turn are done
   */
  turn(maxWaitMs: number = Infinity): void {
    if (this.#closed) throw new Error("the event loop was disposed of");
    this.#turn(maxWaitMs);
    if (this.#parts.failures.length > 0) throw this.#parts.failures.shift();
  }

  #turn(maxWaitMs: number): void {
    if (this.#turning) throw new Error("a callback can't turn the event loop that called it");
    this.#turning = true;
    try {
      this.#enter(this.#waitTime(maxWaitMs));
      this.#dispatch();
      this.#parts.busy.take();
      this.#expire();
      this.#tellIdle();
    } finally {
      this.#turning = false;
      this.#now = NaN;
    }
  }

  /** Submits, and waits for something. @param wait milliseconds */
  #enter(wait: number): void {
    const ring = this.#ring;
    const { busy } = this.#parts;
    const nanoseconds = Math.ceil(wait * 1e6);
    if (wait === 0 || !busy.active) return ring.enter(wait > 0 ? 1 : 0, nanoseconds);
    // While it looks, the kernel is at work already.
    if (ring.queued > 0) ring.enter(0, 0);
    if (ring.available > 0) return;
    if (busy.look(nanoseconds, ring)) {
      // What lies in memory needs no system call.
      if (ring.stirred && ring.available === 0) ring.enter(0, 0);
      return;
    }
    ring.enter(1, nanoseconds);
  }

  #waitTime(maxWaitMs: number): number {
    const { waiting, timers } = this.#parts;
    // What has come while there was no turn is not slept on.
    if (this.#ring.available > 0) return 0;
    for (let i = 0; i < waiting.length; i++) if (waiting[i].pending === 0) return 0;
    const timer = timers.first;
    if (timer === undefined) return maxWaitMs;
    return Math.min(maxWaitMs, Math.max(0, timer.deadline - performance.now()));
  }

  #dispatch(): void {
    const ring = this.#ring;
    const { slots } = this.#parts;
    // Only those that are there now: callbacks that cause completions must not keep the timers waiting.
    for (let left = ring.available; left > 0; left--) {
      ring.next();
      const request = slots.find(ring.userDataLow, ring.userDataHigh);
      if (request === undefined) continue;
      try {
        request.complete(ring.result, ring.completionFlags);
      } catch (error) {
        request.owner.report(error);
      }
    }
  }

  #expire(): void {
    const { timers } = this.#parts;
    if (timers.size === 0) return;
    const now = performance.now();
    for (;;) {
      const timer = timers.first;
      if (timer === undefined || timer.deadline > now) return;
      timers.remove(timer);
      try {
        timer.fire();
      } catch (error) {
        timer.scope.report(error);
      }
    }
  }

  #tellIdle(): void {
    const { waiting } = this.#parts;
    // Those that begin to wait meanwhile are told in the next turn.
    for (let left = waiting.length; left > 0; left--) {
      const scope = waiting.shift() as LoopScope;
      if (scope.pending === 0) scope.tellIdle();
      else waiting.push(scope);
    }
  }

  /**
   * Closes all scopes, cancels the operations under way (a file's are waited for), waits until all have called
   * back, and gives the rings back. A second call does nothing.
   *
   * @throws {Error} in a callback, where the loop is still needed
   * @throws {unknown} what an `onError` has thrown
   */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    if (this.#turning) throw new Error("a callback can't dispose of the event loop that called it");
    this.#closed = true;
    const { scopes, slots, waiting, failures } = this.#parts;
    try {
      for (const scope of scopes) scope.close();
      this.#ring.pushCancel(0, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY, NOBODY);
      // Nothing but operations is left in the table.
      do this.#turn(slots.size > 0 ? Infinity : 0); while (slots.size > 0 || waiting.length > 0);
    } finally {
      this.#ring[Symbol.dispose]();
    }
    if (failures.length > 0) throw failures.shift();
  }
}

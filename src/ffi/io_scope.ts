/**
 * What a device's backend asks of the event loop that it lives in.
 *
 * Everything is made once and used again: nothing of this allocates per operation. Of a callback that throws, the
 * scope's owner is told, who decides whether to close the scope; the loop goes on, for it and for the others.
 * @module
 */
import type { BusySource } from "./io_busy.ts";
import type { IoVectors } from "./io_vectors.ts";

/** poll(2) bits (asm-generic/poll.h). */
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLRDHUP = 0x2000;

/**
 * An eventfd whose every signal calls back. The counter is never read: signals that come in quick succession
 * may be one call, and no signal is lost.
 */
export interface IoEvent {
  /** Ends it; no call comes after this. A second call does nothing. */
  close(): void;
}

/** A descriptor that is waited for, one readiness at a time. */
export interface IoPoll {
  /** Whether it waits. */
  readonly armed: boolean;
  /** Waits for the next readiness, which may be there already. Armed already: nothing happens. */
  arm(): void;
  /** Waits no more; no call comes until {@linkcode arm}. */
  disarm(): void;
  /** Ends it for good. The descriptor may be closed after this. */
  close(): void;
}

/** A timer, set again and again. */
export interface IoTimer {
  /** Whether it runs. */
  readonly armed: boolean;
  /** Calls back once, after `milliseconds` (fractions count); what was set before is forgotten. */
  set(milliseconds: number): void;
  /** Forgets it. */
  clear(): void;
}

/**
 * One slot for one asynchronous system call at a time. The buffers of a call belong to the kernel from the
 * call until the callback, and must be kept reachable for so long by who owns them. The vectors are kept by the
 * call, but must not be set anew before the callback.
 *
 * Each result is as the system call's: the bytes that were moved, or 0; a negative errno where it failed.
 */
export interface IoOperation {
  /** Whether a call is under way; starting another then is an error. */
  readonly busy: boolean;
  /** preadv(2): the first `count` of `vectors`, from `offset` of the file. */
  readv(fd: number, vectors: IoVectors, count: number, offset: number): void;
  /** pwritev2(2). @param flags RWF_* such as {@linkcode RWF_DSYNC} */
  writev(fd: number, vectors: IoVectors, count: number, offset: number, flags?: number): void;
  /** fdatasync(2). */
  fdatasync(fd: number): void;
  /** fallocate(2). @param mode FALLOC_FL_* */
  fallocate(fd: number, mode: number, offset: number, length: number): void;
}

/** pwritev2(2): as if O_DSYNC was set. */
export const RWF_DSYNC = 0x02;
/** fallocate(2) modes (linux/falloc.h). */
export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;
export const FALLOC_FL_ZERO_RANGE = 0x10;

/** A part of an event loop that belongs to one owner. All of it is used in the loop's own isolate. */
export interface IoScope extends AsyncDisposable {
  /** Now, in milliseconds, as performance.now() tells time; read once for each turn of the loop. */
  readonly now: number;
  /** Calls `fire` after each signal of an eventfd. A counter that is not zero already counts as one. */
  event(eventfd: number, fire: () => void): IoEvent;
  /** @param events POLL* @param ready is given those that are there, POLLERR and POLLHUP among them */
  poll(fd: number, events: number, ready: (events: number) => void): IoPoll;
  /**
   * Looks at something in memory before the loop sleeps, and for a while where it's worth it; see
   * {@linkcode BusySource}. What it is armed with, an {@linkcode event}, is the owner's.
   */
  busy(source: BusySource): IoEvent;
  /** A timer that is not set. */
  timer(fire: () => void): IoTimer;
  /** A slot for system calls. @param completed is given the result: not negative, or a negative errno */
  operation(completed: (result: number) => void): IoOperation;
  /** How many operations are under way. */
  readonly pending: number;
  /** Calls back when no operation of this scope is under way, now or later (never from inside this call). */
  whenIdle(idle: () => void): void;
  /**
   * Ends all events, sources, polls and timers, and waits for the operations. No callback comes after it resolves; in a
   * loop that runs synchronously, {@linkcode close} followed by {@linkcode whenIdle} does the same.
   */
  [Symbol.asyncDispose](): Promise<void>;
  /** Ends all events, sources, polls and timers now. Operations under way still end, and their callbacks come. */
  close(): void;
}

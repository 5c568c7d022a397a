/**
 * The part of an event loop that belongs to one owner.
 * @module
 */
import type { BusyPoll, BusySource, OwnedSource } from "./io_busy.ts";
import { EventRequest, OperationRequest, PollRequest } from "./io_requests.ts";
import type { IoEvent, IoOperation, IoPoll, IoScope, IoTimer } from "./io_scope.ts";
import type { Request, RequestOwner, SlotTable } from "./io_slots.ts";
import type { TimerHeap } from "./io_timers.ts";
import type { Ring } from "./io_uring.ts";

/** What an event loop and its scopes share. */
export interface LoopParts {
  readonly ring: Ring;
  readonly slots: SlotTable;
  readonly timers: TimerHeap<LoopTimer>;
  readonly busy: BusyPoll;
  /** The scopes that are open. */
  readonly scopes: Set<LoopScope>;
  /** The scopes where somebody waits until nothing is under way. */
  readonly waiting: LoopScope[];
  /** What owners threw when they were told of an error; for the loop's owner. */
  readonly failures: unknown[];
  readonly clock: { readonly now: number; readonly turning: boolean; turn(): void };
}

/** One owner's part of a loop. */
export class LoopScope implements IoScope, RequestOwner {
  open = true;
  pending = 0;
  readonly #parts: LoopParts;
  readonly #onError: (error: unknown) => void;
  readonly #requests = new Set<Request>();
  readonly #timers = new Set<LoopTimer>();
  readonly #sources = new Set<OwnedSource>();
  #idle: (() => void)[] = [];

  constructor(parts: LoopParts, onError: (error: unknown) => void) {
    this.#parts = parts;
    this.#onError = onError;
    parts.scopes.add(this);
  }

  get ring(): Ring {
    return this.#parts.ring;
  }

  get slots(): SlotTable {
    return this.#parts.slots;
  }

  get now(): number {
    return this.#parts.clock.now;
  }

  event(eventfd: number, fire: () => void): IoEvent {
    return this.#keep(() => new EventRequest(this, eventfd, fire));
  }

  busy(source: BusySource): IoEvent {
    this.#checkOpen();
    const owned = { source, owner: this };
    this.#sources.add(owned);
    this.#parts.busy.add(owned);
    return { close: () => this.#drop(owned) };
  }

  #drop(owned: OwnedSource): void {
    this.#sources.delete(owned);
    this.#parts.busy.remove(owned);
  }

  poll(fd: number, events: number, ready: (events: number) => void): IoPoll {
    return this.#keep(() => new PollRequest(this, fd, events, ready));
  }

  operation(completed: (result: number) => void): IoOperation {
    return this.#keep(() => new OperationRequest(this, completed));
  }

  timer(fire: () => void): IoTimer {
    this.#checkOpen();
    const timer = new LoopTimer(this, fire);
    this.#timers.add(timer);
    return timer;
  }

  #keep<T extends Request>(make: () => T): T {
    this.#checkOpen();
    const request = make();
    this.#requests.add(request);
    return request;
  }

  #checkOpen(): void {
    if (!this.open) throw new Error("this part of the event loop is closed");
  }

  /** For timers: sets one. */
  setTimer(timer: LoopTimer, milliseconds: number): void {
    this.#checkOpen();
    if (!(milliseconds >= 0)) throw new RangeError(`a timer can't wait ${milliseconds} ms`);
    // Not the time of the turn, which began a while ago: the timer would fire early.
    this.#parts.timers.set(timer, performance.now() + milliseconds);
  }

  /** For timers: forgets one. */
  clearTimer(timer: LoopTimer): void {
    this.#parts.timers.remove(timer);
  }

  whenIdle(idle: () => void): void {
    this.#idle.push(idle);
    if (this.#idle.length === 1) this.#parts.waiting.push(this);
  }

  /** For the loop: nothing is under way, and somebody waits for that. */
  tellIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const tell of idle) {
      try {
        tell();
      } catch (error) {
        this.report(error);
      }
    }
  }

  report(error: unknown): void {
    try {
      this.#onError(error);
    } catch (failure) {
      this.#parts.failures.push(failure);
    }
  }

  forget(request: Request): void {
    if (!this.#requests.delete(request)) return;
    request.end();
    this.#flush();
  }

  /** Has the kernel let go of the descriptors whose polls were ended, before anybody closes them. */
  #flush(): void {
    const { ring } = this.#parts;
    if (ring.queued > 0) ring.enter(0, 0);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    for (const timer of this.#timers) timer.clear();
    for (const owned of this.#sources) this.#drop(owned);
    for (const request of this.#requests) request.end();
    this.#timers.clear();
    this.#requests.clear();
    this.#flush();
    this.#parts.scopes.delete(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    const { clock } = this.#parts;
    if (clock.turning) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.whenIdle(resolve);
      return await promise;
    }
    // Nobody turns the loop while this isolate runs us.
    while (this.pending > 0) clock.turn();
  }
}

/** A timer of a scope. */
export class LoopTimer implements IoTimer {
  /** For the heap. */
  deadline = 0;
  /** For the heap. */
  position = -1;

  constructor(readonly scope: LoopScope, readonly fire: () => void) {}

  get armed(): boolean {
    return this.position >= 0;
  }

  set(milliseconds: number): void {
    this.scope.setTimer(this, milliseconds);
  }

  clear(): void {
    this.scope.clearTimer(this);
  }
}

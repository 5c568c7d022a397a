/**
 * What a ring's completions lead back to: the requests of an event loop, each under a number.
 *
 * A request's user_data is its slot and a generation. What the kernel completes after the request was ended, or
 * began anew, carries an old generation and reaches nobody.
 * @module
 */
import type { Ring } from "./io_uring.ts";

/** The slot of entries whose completion is of no interest. */
export const NOBODY = 0xffff_ffff;

/** The part of an event loop that belongs to one owner, as its requests see it. */
export interface RequestOwner {
  readonly ring: Ring;
  readonly slots: SlotTable;
  /** Whether it was not closed. */
  readonly open: boolean;
  /** How many operations are under way. */
  pending: number;
  /** Forgets a request that has ended. */
  forget(request: Request): void;
  /** Tells the owner what went wrong in one of its callbacks. */
  report(error: unknown): void;
}

/** One request, which may complete many times. */
export abstract class Request {
  /** Its number in the table. */
  slot = NOBODY;
  /** Which life of the slot this is. */
  generation = 0;

  constructor(readonly owner: RequestOwner) {}

  /** Takes one completion that is meant for this generation. What it throws goes to the owner. */
  abstract complete(result: number, flags: number): void;

  /** Ends what can be ended now; the owner has closed. */
  abstract end(): void;

  /** Asks the kernel to end what was submitted under the current generation. */
  protected cancel(): void {
    // Not POLL_REMOVE: that leaves a multishot poll alone that is just being completed.
    this.owner.ring.pushCancel(this.slot, this.generation, 0, NOBODY);
  }
}

/** The requests of one ring. */
export class SlotTable {
  readonly #requests: (Request | undefined)[] = [];
  readonly #free: number[] = [];
  #generation = 0;

  /** How many requests there are. */
  get size(): number {
    return this.#requests.length - this.#free.length;
  }

  /** Gives a request its slot. */
  add(request: Request): void {
    const slot = this.#free.pop() ?? this.#requests.length;
    this.#requests[slot] = request;
    request.slot = slot;
    this.renew(request);
  }

  /** Gives a request a new generation: completions under the old one don't reach it. */
  renew(request: Request): void {
    this.#generation = (this.#generation + 1) >>> 0;
    request.generation = this.#generation;
  }

  /** Takes a request's slot back; a second call does nothing. */
  remove(request: Request): void {
    if (request.slot === NOBODY) return;
    this.#requests[request.slot] = undefined;
    this.#free.push(request.slot);
    request.slot = NOBODY;
  }

  /** Whom a completion is for, if it is for anybody. */
  find(slot: number, generation: number): Request | undefined {
    if (slot >= this.#requests.length) return undefined;
    const request = this.#requests[slot];
    return request?.generation === generation ? request : undefined;
  }
}

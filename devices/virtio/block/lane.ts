/**
 * One queue of a disk with its requests.
 * @module
 */
import type { Virtqueue } from "../queue/virtqueue.ts";
import { BlockRequest, type RequestOwner } from "./request.ts";

/** The most requests of one queue that are under way on the host; the others wait in the queue. */
const MOST_UNDER_WAY = 128;

/** A queue, and the requests that were taken out of it. */
export class Lane {
  readonly #owner: RequestOwner;
  readonly #index: number;
  readonly #requests: BlockRequest[] = [];
  readonly #free: BlockRequest[] = [];
  #queue: Virtqueue | undefined;
  /** Whether something may wait in the queue, as far as this side knows; then the driver need not notify. */
  ready = false;
  /** Whether buffers were given back that the driver has not been shown. */
  #unseen = false;
  /** Whether the queue was left alone because all requests are under way. */
  #full = false;

  constructor(owner: RequestOwner, index: number) {
    this.#owner = owner;
    this.#index = index;
  }

  /** Begins with a queue, if the driver set it up. Nothing is under way. */
  start(queue: Virtqueue | undefined): void {
    this.#queue = queue;
    this.#free.length = 0;
    for (const request of this.#requests) {
      request.forget();
      this.#free.push(request);
    }
    this.ready = false;
    this.#unseen = false;
    this.#full = false;
  }

  /** The driver has put something into the queue. */
  kick(): void {
    if (this.#queue === undefined || this.ready || this.#full) return;
    this.#queue.ignore();
    this.ready = true;
  }

  /** Takes the next request; where there is none, the lane isn't ready any more. */
  take(): BlockRequest | undefined {
    const queue = this.#queue as Virtqueue;
    const request = this.#free.pop() ?? this.#another();
    if (request === undefined) {
      this.#full = true;
      this.ready = false;
      return undefined;
    }
    if (queue.pop(request.chain)) return request;
    this.#free.push(request);
    if (queue.watch()) queue.ignore();
    else this.ready = false;
    return undefined;
  }

  #another(): BlockRequest | undefined {
    if (this.#requests.length === MOST_UNDER_WAY) return undefined;
    const request = new BlockRequest(this.#owner, this.#index);
    this.#requests.push(request);
    return request;
  }

  /** Gives a request's buffer back to the driver, which sees it at {@linkcode flush}. */
  giveBack(request: BlockRequest, written: number): void {
    (this.#queue as Virtqueue).push(request.chain, written);
    this.#free.push(request);
    this.#unseen = true;
    if (this.#full) {
      this.#full = false;
      this.ready = true;
    }
  }

  /** Shows the driver what was given back. */
  flush(): void {
    if (!this.#unseen) return;
    this.#unseen = false;
    this.#queue?.flush();
  }
}

/**
 * One sender, many receivers: each receives everything from the beginning, at its own pace.
 * @module
 */
import { News } from "../guest/news.ts";

/** What was sent so far, and what will be. */
export class Broadcast<T> {
  readonly #limit: number;
  readonly #sizeOf: (item: T) => number;
  readonly #items: T[] = [];
  /** Of the kept items together. */
  #size = 0;
  /** How many items were dropped from the front. */
  #dropped = 0;
  #isEnded = false;
  readonly #news = new News();

  /**
   * @param limit as much is kept; what is older is dropped, and missed by whoever has not received it yet
   * @param sizeOf how much an item takes of that; 1 by default
   */
  constructor(limit: number, sizeOf: (item: T) => number = () => 1) {
    this.#limit = limit;
    this.#sizeOf = sizeOf;
  }

  /** Sends to all who receive, now and later. */
  send(item: T): void {
    if (this.#isEnded) return;
    this.#items.push(item);
    this.#size += this.#sizeOf(item);
    while (this.#size > this.#limit && this.#items.length > 1) {
      this.#size -= this.#sizeOf(this.#items.shift()!);
      this.#dropped++;
    }
    this.#news.tell();
  }

  /** Nothing more will be sent. */
  end(): void {
    this.#isEnded = true;
    this.#news.tell();
  }

  /** Everything that is kept, then what comes, to the end. */
  async *receive(): AsyncGenerator<T, void, void> {
    for (let next = 0;;) {
      next = Math.max(next, this.#dropped);
      if (next < this.#dropped + this.#items.length) {
        yield this.#items[next++ - this.#dropped];
      } else if (this.#isEnded) {
        return;
      } else {
        await this.#news.next;
      }
    }
  }
}

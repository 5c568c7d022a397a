/**
 * Waiting for what comes again and again.
 * @module
 */

/** Tells all who wait that something has changed; what it is, they look up themselves. */
export class News {
  #next = Promise.withResolvers<void>();

  /** Resolves when it is told the next time. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  /** Wakes all who wait. */
  tell(): void {
    const { resolve } = this.#next;
    // Whoever is woken and waits again does so for another time.
    this.#next = Promise.withResolvers();
    resolve();
  }
}

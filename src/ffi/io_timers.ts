/**
 * Timers in the order in which they expire: a binary heap that allocates only when it grows.
 * @module
 */

/** What the heap orders. */
export interface TimerEntry {
  /** When it expires, in milliseconds of performance.now(). */
  deadline: number;
  /** Where the heap keeps it; -1 while it is in none. Only the heap changes it. */
  position: number;
}

/** The timers that run. */
export class TimerHeap<Entry extends TimerEntry> {
  readonly #entries: Entry[] = [];

  /** How many timers run. */
  get size(): number {
    return this.#entries.length;
  }

  /** The one that expires first. */
  get first(): Entry | undefined {
    return this.#entries[0];
  }

  /** Puts a timer in at `deadline`, or moves it there. */
  set(entry: Entry, deadline: number): void {
    const before = entry.deadline;
    entry.deadline = deadline;
    if (entry.position < 0) {
      this.#entries.push(entry);
      this.#up(entry, this.#entries.length - 1);
    } else if (deadline < before) {
      this.#up(entry, entry.position);
    } else {
      this.#down(entry, entry.position);
    }
  }

  /** Takes a timer out; nothing happens where it isn't in. */
  remove(entry: Entry): void {
    const at = entry.position;
    if (at < 0) return;
    entry.position = -1;
    const last = this.#entries.pop() as Entry;
    if (last === entry) return;
    // The one from the end takes the gap, and goes whichever way it must.
    this.#up(last, at);
    this.#down(last, last.position);
  }

  /** Places `entry` at `at` or above. */
  #up(entry: Entry, at: number): void {
    const entries = this.#entries;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const parent = entries[above];
      if (parent.deadline <= entry.deadline) break;
      entries[at] = parent;
      parent.position = at;
      at = above;
    }
    entries[at] = entry;
    entry.position = at;
  }

  /** Places `entry` at `at` or below. */
  #down(entry: Entry, at: number): void {
    const entries = this.#entries;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= entries.length) break;
      if (below + 1 < entries.length && entries[below + 1].deadline < entries[below].deadline) {
        below++;
      }
      const child = entries[below];
      if (child.deadline >= entry.deadline) break;
      entries[at] = child;
      child.position = at;
      at = below;
    }
    entries[at] = entry;
    entry.position = at;
  }
}

/**
 * Looking before sleeping: an event loop that expects something soon looks for it in memory for a while, as waking up
 * costs more than that, and a guest that is watched needs no exit to notify.
 *
 * A look that finds something saves time, and one in vain loses some: of this thread, and where processors are few, of
 * whoever would have brought what is looked for. So there's an account. Where it is overdrawn, waits go by without a
 * look, twice as many each time, until looks have paid for a while; a guest that does nothing, or that has no processor
 * to spare, is soon left alone.
 * @module
 */
import { libc } from "./libc.ts";

/** Something in memory that is looked at before a loop sleeps. */
export interface BusySource {
  /** Whether something has come that was not taken. Looks at memory alone, again and again. */
  readonly ready: boolean;
  /** Takes what has come. What it throws goes to the owner of the scope. */
  take(): void;
  /**
   * The loop is about to sleep: has whatever comes from now on wake it (through an event).
   *
   * @returns whether something has come meanwhile
   */
  arm(): boolean;
}

/** A source, and whom to tell what it throws. */
export interface OwnedSource {
  readonly source: BusySource;
  readonly owner: { report(error: unknown): void };
}

/** The longest time that a loop looks, in nanoseconds: about what it costs to be put to sleep and woken. */
export const LONGEST_LOOK = 50_000;
/** What a look is worth that finds something, in nanoseconds: less than the sleep and the exit that it saves. */
const WORTH = 20_000;
/** The most that is in the account, in nanoseconds. */
const MOST_CREDIT = 2 * LONGEST_LOOK;
/** The most waits that go by without a look. */
const MOST_SKIPPED = 1024;
/** How often it looks between two looks at the clock. */
const LOOKS = 16;

const CLOCK_MONOTONIC = 1;
const timespec = new Uint32Array(4);

/** Nanoseconds of the monotonic clock since 2^32 s ago at most; a tenth of what performance.now() costs. */
function nanoseconds(): number {
  // It can't fail: the clock exists, and the buffer is ours.
  libc.clock_gettime(CLOCK_MONOTONIC, timespec);
  return timespec[0] * 1e9 + timespec[2];
}

/** What a loop looks at, and for how long. */
export class BusyPoll {
  readonly #sources: OwnedSource[] = [];
  readonly #longest: number;
  /** How many waits are to go by without a look. */
  #skip = 0;
  /** How many there were when the account was overdrawn; 0 where looks have paid for a while. */
  #skipped = 0;
  /** Nanoseconds that looks have saved and not lost again. */
  #credit = 0;

  /** @param longest nanoseconds; 0 never looks */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Whether there is anything to look at. */
  get active(): boolean {
    return this.#sources.length > 0;
  }

  add(source: OwnedSource): void {
    this.#sources.push(source);
  }

  remove(source: OwnedSource): void {
    const at = this.#sources.indexOf(source);
    if (at >= 0) this.#sources.splice(at, 1);
  }

  /** Whether any source has something. */
  get ready(): boolean {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) if (sources[i].source.ready) return true;
    return false;
  }

  /**
   * The loop has nothing to do: looks for something, and where nothing comes has the sources armed.
   *
   * @param most nanoseconds after which something else is due
   * @param ring is looked at, too
   * @returns whether something has come; if not, the loop may sleep
   */
  look(most: number, ring: { readonly stirred: boolean }): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return this.#arm();
    }
    const duration = Math.min(most, this.#longest);
    if (this.#finds(duration, ring)) {
      this.#earn();
      return true;
    }
    this.#spend(duration);
    return this.#arm();
  }

  #finds(duration: number, ring: { readonly stirred: boolean }): boolean {
    const start = duration > 0 ? nanoseconds() : 0;
    while (duration > 0) {
      for (let i = 0; i < LOOKS; i++) {
        if (ring.stirred || this.ready) return true;
        Atomics.pause();
      }
      if (nanoseconds() - start >= duration) break;
    }
    return false;
  }

  #earn(): void {
    this.#credit += WORTH;
    if (this.#credit < MOST_CREDIT) return;
    this.#credit = MOST_CREDIT;
    this.#skipped = 0;
  }

  #spend(nanoseconds: number): void {
    this.#credit -= nanoseconds;
    if (this.#credit >= 0) return;
    this.#credit = 0;
    this.#skipped = Math.min(MOST_SKIPPED, Math.max(1, 2 * this.#skipped));
    this.#skip = this.#skipped;
  }

  #arm(): boolean {
    const sources = this.#sources;
    let come = false;
    for (let i = 0; i < sources.length; i++) if (sources[i].source.arm()) come = true;
    return come;
  }

  /** Takes what the sources have, in their order. */
  take(): void {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) {
      const { source, owner } = sources[i];
      if (!source.ready) continue;
      try {
        source.take();
      } catch (error) {
        owner.report(error);
      }
    }
  }
}

/**
 * A budget that refills with time: how fast something may go on average, and how much at once.
 * @module
 */

/** What a bucket is made with. */
export interface BucketOptions {
  /** Tokens a second: bytes or operations. */
  readonly rate: number;
  /** The most tokens that can be saved up; a tenth of a second's worth, and at least one, when left out. */
  readonly burst?: number;
}

/**
 * A token bucket. It is never empty for good: whoever takes more than there is takes a loan, and the next one
 * waits until it is paid back. So a request larger than the burst passes, and the average holds.
 *
 * Time is given by the caller, in milliseconds from any origin, and is expected not to run backwards.
 */
export class TokenBucket {
  #rate: number;
  #burst: number;
  #tokens: number;
  #at: number;

  /** A full bucket. @throws {RangeError} a rate or a burst that is not positive and finite */
  constructor(options: BucketOptions, now: number) {
    this.#rate = positive("rate", options.rate) / 1000;
    this.#burst = burstOf(options);
    this.#tokens = this.#burst;
    this.#at = now;
  }

  /** Changes rate and burst; what was saved up or borrowed stays, cut to the new burst. */
  set(options: BucketOptions, now: number): void {
    this.#refill(now);
    this.#rate = positive("rate", options.rate) / 1000;
    this.#burst = burstOf(options);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** Milliseconds until something may be taken: 0 if it may be now. */
  delay(now: number): number {
    this.#refill(now);
    return this.#tokens > 0 ? 0 : (FREE - this.#tokens) / this.#rate;
  }

  /** Takes tokens, beyond what there is if need be. Ask {@linkcode delay} first. */
  take(tokens: number): void {
    this.#tokens -= tokens;
  }

  #refill(now: number): void {
    const elapsed = now - this.#at;
    if (elapsed <= 0) return;
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#rate);
  }
}

/** So much has to be there again, so that rounding can't make a wait end a moment too early. */
const FREE = 1e-6;

function burstOf({ rate, burst }: BucketOptions): number {
  return burst === undefined ? Math.max(1, rate / 10) : positive("burst", burst);
}

function positive(what: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`a limit's ${what} is a positive number, not ${value}`);
}

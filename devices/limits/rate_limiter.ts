/**
 * The limits of one device: bytes and operations a second, each with a burst, settable while it runs.
 *
 * The owner asks {@linkcode RateLimiter.delay} before it takes the next request, and charges the request when it
 * is taken. While there is a delay, the queue is parked: the owner sets a timer and looks at the queue when that
 * fires. Nothing spins, and nothing is dropped.
 * @module
 */
import { type BucketOptions, TokenBucket } from "./token_bucket.ts";

/** Limits as they are configured; what is left out is not limited. */
export interface RateLimits {
  readonly bytes?: BucketOptions;
  readonly operations?: BucketOptions;
}

/** Two token buckets, either of which may be missing. Belongs to one isolate. */
export class RateLimiter {
  #bytes: TokenBucket | undefined;
  #operations: TokenBucket | undefined;

  /** @param now in milliseconds, as all later times */
  constructor(limits: RateLimits, now: number) {
    this.#bytes = limits.bytes && new TokenBucket(limits.bytes, now);
    this.#operations = limits.operations && new TokenBucket(limits.operations, now);
  }

  /** Changes the limits; what is left out is limited no more. */
  set(limits: RateLimits, now: number): void {
    this.#bytes = changed(this.#bytes, limits.bytes, now);
    this.#operations = changed(this.#operations, limits.operations, now);
  }

  /** Milliseconds until the next request may be taken; 0 if it may be now. */
  delay(now: number): number {
    const bytes = this.#bytes === undefined ? 0 : this.#bytes.delay(now);
    const operations = this.#operations === undefined ? 0 : this.#operations.delay(now);
    return Math.max(bytes, operations);
  }

  /** Charges one operation that moves `bytes` bytes. */
  charge(bytes: number): void {
    this.#bytes?.take(bytes);
    this.#operations?.take(1);
  }
}

function changed(
  bucket: TokenBucket | undefined,
  options: BucketOptions | undefined,
  now: number,
): TokenBucket | undefined {
  if (options === undefined) return undefined;
  if (bucket === undefined) return new TokenBucket(options, now);
  bucket.set(options, now);
  return bucket;
}

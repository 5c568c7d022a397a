/**
 * Waiting for something with a limit in time, or until a signal says to give up.
 * @module
 */
import { type Duration, milliseconds } from "../guest/duration.ts";

/** How long to wait. */
export interface WaitOptions {
  /** Ten seconds by default. */
  readonly timeout?: Duration;
  /** Gives up with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How long is waited where nothing else was said. */
export const DEFAULT_TIMEOUT = "10s";

/**
 * Waits for a promise, at most so long.
 *
 * @param late makes the error for a promise that took too long
 * @throws the signal's reason, when it aborts first
 */
export async function waitFor<T>(
  promise: Promise<T>,
  { timeout = DEFAULT_TIMEOUT, signal }: WaitOptions,
  late: (timeout: Duration) => Error,
): Promise<T> {
  signal?.throwIfAborted();
  const gaveUp = Promise.withResolvers<never>();
  const timer = setTimeout(() => gaveUp.reject(late(timeout)), milliseconds(timeout));
  const abort = () => gaveUp.reject(signal!.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, gaveUp.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

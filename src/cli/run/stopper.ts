/**
 * Why a run is to end before its guest does: the first reason counts.
 * @module
 */
import type { EndingSignal } from "../exit_status.ts";

/** What ends a run from outside the guest. */
export type StopReason =
  /** Ctrl-A x. */
  | { readonly kind: "user" }
  | { readonly kind: "signal"; readonly signal: EndingSignal }
  /** `--timeout` was up. */
  | { readonly kind: "timeout"; readonly milliseconds: number }
  /** Nobody reads standard output any more. */
  | { readonly kind: "output-closed" }
  /** The console can't be served any more. */
  | { readonly kind: "failure"; readonly error: unknown };

/** The one place where a run learns that it has to end. */
export class Stopper {
  readonly #controller = new AbortController();
  readonly #requested = Promise.withResolvers<StopReason>();
  #reason: StopReason | undefined;

  /** Aborted with the first request: it also gives up a machine that is being built. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves with the first reason. */
  get requested(): Promise<StopReason> {
    return this.#requested.promise;
  }

  /** The first reason, if there was one. */
  get reason(): StopReason | undefined {
    return this.#reason;
  }

  /** Asks the run to end. Every call but the first does nothing. */
  request(reason: StopReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller.abort();
    this.#requested.resolve(reason);
  }
}

/**
 * The signals that end a run: the first in order, the second at once.
 * @module
 */
import { ENDING_SIGNALS, type EndingSignal, signalStatus } from "../exit_status.ts";
import type { System } from "../system.ts";
import type { Stopper } from "./stopper.ts";

/** Turns each ending signal into a request to stop; when a stop is under way already, exits without waiting. */
export function endOnSignals(system: System, stopper: Stopper): Disposable {
  const listeners = new DisposableStack();
  for (const signal of Object.keys(ENDING_SIGNALS) as EndingSignal[]) {
    listeners.use(system.onSignal(signal, () => {
      if (stopper.reason === undefined) stopper.request({ kind: "signal", signal });
      else system.exit(signalStatus(signal));
    }));
  }
  return listeners;
}

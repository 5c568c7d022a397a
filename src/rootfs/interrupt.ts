/**
 * Cleaning up when a signal ends the process, or when a watching Deno begins anew.
 *
 * @module
 */

import { isWatched } from "../host/restart.ts";

const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** One call that is under way. */
interface Interruptible {
  readonly controller: AbortController;
  readonly cleanup: () => void;
}

/** The calls that are under way, the outermost first. */
const active: Interruptible[] = [];

/** Passes a signal on to all calls, the innermost first, before it ends the process as it would have. */
const listeners = SIGNALS.map((name) => ({
  name,
  listener: () => {
    const reason = new Error(`ended by ${name}`);
    for (const { controller, cleanup } of active.splice(0).reverse()) {
      controller.abort(reason);
      cleanup();
    }
    ignoreSignals();
    // Of a watching Deno it's perhaps no signal, and a real one would end the watching.
    if (name !== "SIGTERM" || !isWatched()) Deno.kill(Deno.pid, name);
  },
}));

function heedSignals(): void {
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
}

function ignoreSignals(): void {
  for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
}

/**
 * Runs `body`; when SIGINT, SIGTERM or SIGHUP comes meanwhile, aborts the signal that `body` was
 * given, calls `cleanup` and then lets the signal end the process as it would have. Calls may be
 * nested: the process ends when all have cleaned up. A Deno that watches files goes on after a
 * SIGTERM, which tells that it begins anew.
 *
 * @param cleanup removes what must not stay behind; synchronous, since the process ends after it.
 * @param body the work; what it started must stop when its signal aborts.
 */
export async function interruptible<T>(
  cleanup: () => void,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const call = { controller: new AbortController(), cleanup };
  if (active.length === 0) heedSignals();
  active.push(call);
  try {
    return await body(call.controller.signal);
  } finally {
    const index = active.indexOf(call);
    // After a signal there is nothing left to take out, and nobody listens any more.
    if (index !== -1) {
      active.splice(index, 1);
      if (active.length === 0) ignoreSignals();
    }
  }
}

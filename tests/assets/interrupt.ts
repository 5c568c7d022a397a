/**
 * Cleaning up when a signal ends the process.
 *
 * @module
 */

const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs `body`; when SIGINT, SIGTERM or SIGHUP comes meanwhile, aborts the signal that `body` was
 * given, calls `cleanup` and then lets the signal end the process as it would have.
 *
 * @param cleanup removes what must not stay behind; synchronous, since the process ends after it.
 * @param body the work; what it started must stop when its signal aborts.
 */
export async function interruptible<T>(
  cleanup: () => void,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const listeners = SIGNALS.map((name) => {
    const listener = () => {
      remove();
      controller.abort(new Error(`ended by ${name}`));
      cleanup();
      Deno.kill(Deno.pid, name);
    };
    return { name, listener };
  });
  const remove = () => {
    for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
  };
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  try {
    return await body(controller.signal);
  } finally {
    remove();
  }
}

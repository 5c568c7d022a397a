/**
 * `deno run --watch` and `deno test --watch`, which begin anew when a file changes: in the same process, so that nothing
 * is given back that is not given back by hand.
 *
 * Before it does so Deno calls the listeners for SIGTERM, though no signal was sent, and gives what runs half a second to
 * end. Without such listeners it waits for nothing.
 * @module
 */

/** Whether Deno watches files: `--watch` or `--watch=FILE` is among its own arguments, which the program does not see. */
export function isWatched(): boolean {
  const all = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(1, -1);
  return all.slice(0, all.length - Deno.args.length).some((each) => /^--watch(=|$)/.test(each));
}

/**
 * Calls `listener` when Deno is about to begin anew; where it does not watch files, nothing happens ever.
 *
 * As long as that listens, a real SIGTERM does not end the process, but looks the same.
 */
export function onRestart(listener: () => void): Disposable {
  if (!isWatched()) return { [Symbol.dispose]() {} };
  Deno.addSignalListener("SIGTERM", listener);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGTERM", listener) };
}

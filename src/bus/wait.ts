/**
 * Waiting on a word of shared memory without blocking the isolate.
 *
 * @module
 */

/**
 * Resolves when the word is notified, or at once if it does not hold `expected`; or when a time is up.
 *
 * `Atomics.waitAsync` alone does not count as work: when nothing else is going on, the process ends,
 * or fails with "promise never resolved", although a wake-up is under way. An open port keeps it alive; a timer
 * would too, but the first one of a process costs it 3 ms.
 */
export async function waitForChange(
  words: Int32Array<SharedArrayBuffer>,
  index: number,
  expected: number,
  milliseconds: number = Infinity,
): Promise<void> {
  const wait = Atomics.waitAsync(words, index, expected, milliseconds);
  if (!wait.async) return;
  const { port1: keepAlive } = new MessageChannel();
  keepAlive.onmessage = () => {};
  try {
    await wait.value;
  } finally {
    keepAlive.close();
  }
}

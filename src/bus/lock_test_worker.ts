/**
 * A Worker of lock_test.ts: adds to a plain (not atomic) counter under the shared lock.
 *
 * @module
 */
/// <reference lib="deno.worker" />

import { DeviceLock } from "./lock.ts";

/** What the test posts: word 0 is the lock, word 1 the counter, word 2 the number that are ready. */
interface Job {
  words: Int32Array<SharedArrayBuffer>;
  rounds: number;
  workers: number;
}

self.onmessage = (event: MessageEvent<Job>) => {
  const { words, rounds, workers } = event.data;
  const lock = new DeviceLock(words, 0);
  // Start together, so that they really contend.
  Atomics.add(words, 2, 1);
  Atomics.notify(words, 2);
  for (;;) {
    const ready = Atomics.load(words, 2);
    if (ready === workers) break;
    Atomics.wait(words, 2, ready);
  }
  for (let i = 0; i < rounds; i++) {
    lock.acquire();
    const before = words[1];
    // Widens the window in which a second holder would lose an addition.
    for (let spin = 0; spin < i % 64; spin++) Atomics.load(words, 2);
    words[1] = before + 1;
    lock.release();
  }
  self.postMessage("done");
  self.close();
};

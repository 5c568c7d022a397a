import assert from "node:assert/strict";
import { DeviceLock, DeviceLockError } from "./lock.ts";

/** Starts Workers that each add `rounds` to word 1 under the lock in word 0; resolves when all did. */
async function addInWorkers(
  words: Int32Array<SharedArrayBuffer>,
  workers: number,
  rounds: number,
  participants = workers,
): Promise<void> {
  const url = new URL("./lock_test_worker.ts", import.meta.url);
  const started = Array.from({ length: workers }, () => new Worker(url, { type: "module" }));
  try {
    await Promise.all(started.map((worker) =>
      new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage({ words, rounds, workers: participants });
      })
    ));
  } finally {
    for (const worker of started) worker.terminate();
  }
}

Deno.test("three Workers that add to a plain counter under one lock lose no addition", async () => {
  const words = new Int32Array(new SharedArrayBuffer(12));
  await addInWorkers(words, 3, 5_000);
  assert.equal(words[1], 15_000);
  assert.equal(words[0], 0, "the lock is free in the end");
});

Deno.test("an isolate that must not block contends with Workers through acquireAsync", async () => {
  const words = new Int32Array(new SharedArrayBuffer(12));
  const lock = new DeviceLock(words, 0);
  const others = addInWorkers(words, 2, 3_000);
  for (let i = 0; i < 500; i++) {
    await lock.acquireAsync();
    words[1]++;
    lock.release();
  }
  await others;
  assert.equal(words[1], 6_500);
  assert.equal(words[0], 0);
});

Deno.test("acquireAsync waits until the holder releases", async () => {
  const lock = DeviceLock.create();
  lock.acquire();
  const order: string[] = [];
  const second = lock.acquireAsync().then(() => order.push("second"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  order.push("first");
  lock.release();
  await second;
  assert.deepEqual(order, ["first", "second"]);
  assert.ok(lock.held);
  lock.release();
  assert.ok(!lock.held);
});

Deno.test("tryAcquire takes a free lock and leaves a held one alone", () => {
  const lock = DeviceLock.create();
  assert.ok(lock.tryAcquire());
  assert.ok(!lock.tryAcquire());
  lock.release();
  assert.ok(lock.tryAcquire());
});

Deno.test("two locks made over the same word are one lock", () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const one = new DeviceLock(words, 1);
  const two = new DeviceLock(words, 1);
  one.acquire();
  assert.ok(two.held);
  assert.ok(!two.tryAcquire());
  two.release();
  assert.ok(!one.held);
});

Deno.test("releasing a lock that nobody holds is an error", () => {
  assert.throws(() => DeviceLock.create().release(), DeviceLockError);
});

Deno.test("a lock cannot be made over a word that does not exist", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  assert.throws(() => new DeviceLock(words, 1), /word 1 of 1/);
  assert.throws(() => new DeviceLock(words, -1), RangeError);
});

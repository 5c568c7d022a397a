import assert from "node:assert/strict";
import { once } from "node:events";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { forEachLayout } from "../testing/driver.ts";
import { DescriptorChain } from "./chain.ts";
import { openQueue, type Virtqueue } from "./mod.ts";
import type { DriverJob, DriverReport } from "./queue_threads_test_worker.ts";

const COUNT = 20_000;

/** Adds one to what comes, and sleeps when the queue says that it will be notified. */
function serve(queue: Virtqueue, memory: GuestMemory, words: Int32Array, ignores: boolean): number {
  const chain = new DescriptorChain(queue.size);
  const number = new Uint8Array(4);
  const view = new DataView(number.buffer);
  let sleeps = 0;
  for (;;) {
    const seen = Atomics.load(words, 0);
    if (ignores) queue.ignore();
    while (queue.pop(chain)) {
      chain.read(memory, 0, number);
      view.setUint32(0, view.getUint32(0) + 1);
      queue.push(chain, chain.write(memory, 0, number));
      if (number[3] % 4 === 0) queue.flush();
    }
    queue.flush();
    if (Atomics.load(words, 2) !== 0) return sleeps;
    if (ignores ? queue.watch() : queue.hasBuffers) continue;
    sleeps++;
    assert.notEqual(Atomics.wait(words, 0, seen, 10_000), "timed-out", "no notification came");
  }
}

forEachLayout((layout) => {
  Deno.test(`no notification and no interrupt is lost between two threads, over ${layout.name}`, async () => {
    for (const ignores of [false, true]) {
      const memory = GuestMemory.forTest(1 << 20);
      const words = new Int32Array(new SharedArrayBuffer(12));
      const url = import.meta.resolve("./queue_threads_test_worker.ts");
      const worker = new Worker(url, { type: "module" });
      try {
        const job: DriverJob = { memory: memory.spec, layout, size: 16, count: COUNT, words };
        worker.postMessage(job);
        const [{ data: configuration }] = await once(worker, "message");
        const features = {
          packed: Boolean(layout.packed),
          eventIdx: Boolean(layout.eventIdx),
          indirect: Boolean(layout.indirect),
        };
        const queue = openQueue(memory, configuration, features, () => {
          Atomics.add(words, 1, 1);
          Atomics.notify(words, 1);
        });
        const sleeps = serve(queue, memory, words, ignores);
        const [{ data }] = await once(worker, "message");
        const { problem, waits } = data as DriverReport;
        assert.equal(problem, "");
        assert(sleeps > 0 && waits > 0, `${sleeps} sleeps and ${waits} waits`);
      } finally {
        worker.terminate();
      }
    }
  });
});

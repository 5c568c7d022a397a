import assert from "node:assert/strict";
import { Queue, type Runner, type Work } from "./queue.ts";
import { TestLog } from "./test_log.ts";

/** How often a file fails before it passes. */
type Failures = Record<string, number>;

/** Runs files in memory: `failing` has those that fail, and `cut` those at which the whole run ends. */
function runner(failing: Failures, cut: Failures = {}): { run: Runner; ran: string[] } {
  const ran: string[] = [];
  const run: Runner = (files) => {
    ran.push(files.join(" "));
    const log = new TestLog();
    const failed: string[] = [];
    for (const file of files) {
      log.add(`running 2 tests from ./${file}\n`);
      if ((cut[file] ?? 0) > 0) {
        cut[file]--;
        return Promise.resolve({ success: false, log });
      }
      if ((failing[file] ?? 0) > 0) {
        failing[file]--;
        failed.push(file);
      }
    }
    const success = failed.length === 0;
    log.add("\n FAILURES \n\n" + failed.map((file) => `bad => ./${file}:1:1\n`).join(""));
    log.add(`\n${success ? "ok" : "FAILED"} | 1 passed | 1 failed (1s)\n`);
    return Promise.resolve({ success, log });
  };
  return { run, ran };
}

function work(files: string[], together: number): Work {
  return { title: "work", files, together, command: (some) => [...some] };
}

const { signal: never } = new AbortController();

Deno.test("files are run so many together, and only those that fail are run again", async () => {
  const { run, ran } = runner({ b: 1 });
  const queue = new Queue(never, run);
  queue.add(work(["a", "b", "c", "d"], 3));
  queue.close();
  await queue.work("");
  assert.deepEqual(ran, ["a b c", "d", "b"]);
  assert.deepEqual(queue.counts, { passed: 8, failed: 0, skipped: 0 });
  assert.deepEqual([...queue.again], ["b"]);
});

Deno.test("a file at which a run was cut off is run again with those after it", async () => {
  const { run, ran } = runner({}, { b: 1 });
  const queue = new Queue(never, run);
  queue.add(work(["a", "b", "c"], Infinity));
  queue.close();
  await queue.work("");
  assert.deepEqual(ran, ["a b c", "b c"]);
  assert.deepEqual(queue.counts, { passed: 6, failed: 0, skipped: 0 });
});

Deno.test("a file that fails each time has failed, and one that never comes to its end too", async () => {
  const { run, ran } = runner({ a: 9 }, { b: 9 });
  const queue = new Queue(never, run);
  queue.add(work(["a", "b"], 1));
  queue.close();
  await queue.work("");
  assert.equal(ran.length, 6);
  assert.deepEqual(queue.counts, { passed: 1, failed: 2, skipped: 0 });
});

Deno.test("two lanes share the files, and wait for what is added later", async () => {
  const { run, ran } = runner({});
  const queue = new Queue(never, run);
  const lanes = [queue.work("1"), queue.work("2")];
  queue.add(work(["a", "b"], 1));
  await Promise.resolve();
  queue.add(work(["c"], 1));
  queue.close();
  await Promise.all(lanes);
  assert.deepEqual(ran.toSorted(), ["a", "b", "c"]);
  assert.equal(queue.counts.passed, 6);
});

Deno.test("what had no time is named, and counts neither as passed nor as failed", async () => {
  const end = new AbortController();
  const { run } = runner({}, { b: 1 });
  const queue = new Queue(end.signal, (command, options) => {
    if (command.includes("b")) end.abort();
    return run(command, options);
  });
  queue.add(work(["a", "b", "c"], 1));
  queue.close();
  await queue.work("");
  assert.deepEqual(queue.late, ["b", "c"]);
  assert.deepEqual(queue.counts, { passed: 2, failed: 0, skipped: 0 });
});

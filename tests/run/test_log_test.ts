import assert from "node:assert/strict";
import { TestLog } from "./test_log.ts";

const BEGIN = `running 3 tests from ./tests/a_test.ts
good ... ok (1ms)
left out ... ignored (0ms)
bad ...
  one ... FAILED (0ms)
  two ... FAILED (0ms)
  three ... ignored (0ms)
bad ... FAILED (due to 2 failed steps) (5ms)
running 1 test from ./src/b.ts#12-20.ts
an example ... ok (1ms)
`;
const END = `
 ERRORS 

bad ... one => ./tests/a_test.ts:3:41
error: Error: x

 FAILURES 

bad ... one => ./tests/a_test.ts:3:41
bad ... two => ./tests/a_test.ts:3:41
./tests/c_test.ts (uncaught error)

FAILED | 2 passed | 2 failed (2 steps) | 1 ignored (107ms)
`;

Deno.test("tests are counted by file, a test of several failed steps once", () => {
  const log = new TestLog();
  // In pieces, and in colours.
  for (
    const character of `${BEGIN}\x1b[0m\x1b[31m${END}`.replace(
      "FAILED |",
      "\x1b[31mFAILED\x1b[0m |",
    )
  ) {
    log.add(character);
  }
  assert(log.ended);
  assert.deepEqual(log.countsOf("tests/a_test.ts"), { passed: 1, failed: 1, skipped: 1 });
  assert.deepEqual(log.countsOf("src/b.ts"), { passed: 1, failed: 0, skipped: 0 });
  assert.deepEqual(log.failedFiles, ["tests/a_test.ts", "tests/c_test.ts"]);
  assert.deepEqual(log.counts(), { passed: 2, failed: 2, skipped: 1 });
  assert.deepEqual(log.counts(["tests/a_test.ts"]), { passed: 1, failed: 1, skipped: 0 });
});

Deno.test("a test that a helper declares failed in the file that was running", () => {
  const log = new TestLog();
  log.add("running 1 test from ./a_test.ts\nboots ...\n------- output -------\nfile ... lost\n");
  log.add("----- output end -----\nboots ... FAILED (1s)\nrunning 1 test from ./b_test.ts\n");
  log.add("halts ...'halts' has been running for over (1m0s)\n FAILED (2m0s)\n");
  log.add("\n FAILURES \n\nboots => ./guest.ts:4:5\nhalts ... a step => ./guest.ts:4:5\n");
  log.add("\nFAILED | 0 passed | 2 failed (1s)\n");
  assert.deepEqual(log.failedFiles, ["a_test.ts", "b_test.ts"]);
  assert.deepEqual(log.counts(), { passed: 0, failed: 2, skipped: 0 });
});

Deno.test("a file that was cut off has no counts, and those before it have", () => {
  const log = new TestLog();
  log.add(
    `running 1 test from ./a_test.ts\ngood ... ok (1ms)\nrunning 2 tests from ./b_test.ts\ngood ... ok (1ms)\n`,
  );
  assert(!log.ended);
  assert.deepEqual(log.countsOf("a_test.ts"), { passed: 1, failed: 0, skipped: 0 });
  assert.equal(log.countsOf("b_test.ts"), undefined);
  assert.equal(log.countsOf("c_test.ts"), undefined);
  assert.deepEqual(log.counts(), { passed: 1, failed: 1, skipped: 0 });
});

Deno.test("what deno test really prints is read", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const files = {
      "good_test.ts":
        `Deno.test("a", () => {}); Deno.test("b", async (t) => { await t.step("c", () => {}); });`,
      "bad_test.ts":
        `Deno.test("d", async (t) => { await t.step("e", () => { throw 1; }); }); Deno.test.ignore("f", () => {});`,
      "lost_test.ts": `throw new Error("at the top");`,
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "."],
      cwd: folder,
      stderr: "null",
    }).output();
    const log = new TestLog();
    log.add(new TextDecoder().decode(stdout));
    assert(log.ended);
    assert.deepEqual(log.countsOf("good_test.ts"), { passed: 2, failed: 0, skipped: 0 });
    assert.deepEqual(log.countsOf("bad_test.ts"), { passed: 0, failed: 1, skipped: 1 });
    assert.deepEqual(log.failedFiles.sort(), ["bad_test.ts", "lost_test.ts"]);
    assert.deepEqual(log.counts(), { passed: 2, failed: 2, skipped: 1 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { add, closingLine, readCounts } from "./summary.ts";

Deno.test("the counts are read from deno test's last line, colours and steps or not", () => {
  assert.deepEqual(readCounts("x ... ok (1ms)\n\nok | 9 passed | 0 failed (6ms)\n\n"), {
    passed: 9,
    failed: 0,
    skipped: 0,
  });
  const coloured =
    "\x1b[31mFAILED\x1b[0m | 5 passed (3 steps) | 1 failed (2 steps) | 2 ignored (5ms)";
  assert.deepEqual(readCounts(coloured), { passed: 5, failed: 1, skipped: 2 });
  assert.equal(readCounts("error: Module not found"), undefined);
});

Deno.test("a run that failed without a failed test counts as one", () => {
  const total = { passed: 0, failed: 0, skipped: 0 };
  add(total, { passed: 3, failed: 0, skipped: 1 }, true);
  add(total, undefined, false);
  add(total, { passed: 2, failed: 2, skipped: 0 }, false);
  assert.equal(closingLine(total), "5 passed, 3 failed, 1 skipped");
});

import assert from "node:assert/strict";
import { add, closingLine } from "./summary.ts";

Deno.test("a run that failed without a failed test counts as one", () => {
  const total = { passed: 0, failed: 0, skipped: 0 };
  add(total, { passed: 3, failed: 0, skipped: 1 }, true);
  add(total, undefined, false);
  add(total, { passed: 2, failed: 2, skipped: 0 }, false);
  assert.equal(closingLine(total), "5 passed, 3 failed, 1 skipped");
});

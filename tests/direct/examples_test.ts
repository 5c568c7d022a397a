/**
 * The examples that any KVM can run.
 * @module
 */
import assert from "node:assert/strict";
import { runExample } from "../examples/run.ts";
import { testDirect } from "./payload_machine.ts";

testDirect("the example of a console does what it says", async () => {
  assert.equal(await runExample("console.ts"), 'it said 42\n{ kind: "stopped" }\n');
});

testDirect("the example of many machines does what it says", async () => {
  assert.equal(await runExample("many.ts"), "ABCDEFGHIJKLMNOP\n");
});

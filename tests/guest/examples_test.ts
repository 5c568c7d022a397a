/**
 * The examples that boot Linux.
 * @module
 */
import assert from "node:assert/strict";
import { runExample } from "../examples/run.ts";
import { guestTest } from "./boot.ts";

guestTest("the example of commands and files does what it says", async () => {
  const printed = (await runExample("exec.ts")).split("\n");
  assert.match(printed[0], /^0 Linux \d/);
  assert.equal(printed[1], "hello from the host");
  assert.deepEqual(printed.slice(2, 4), ["apple", "pear"]);
  assert.match(printed.join("\n"), /kind: "power-off"/);
});

guestTest("the example of a test passes", async () => {
  assert.match(await runExample("full_disk_test.ts"), /survives a full disk \.\.\. ok/);
});

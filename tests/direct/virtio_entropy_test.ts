/**
 * A guest with a source of entropy.
 * @module
 */
import assert from "node:assert/strict";
import { runNative, testNative } from "./native_machine.ts";

testNative("random bytes are others each time, through a reset", async (way) => {
  const { end, console } = await runNative("entropy", way, { rng: true }, { event_idx: 1 });
  assert.deepEqual(end, { kind: "exit", status: 0 }, console);
  const read = [...console.matchAll(/^random=([0-9a-f]{128})$/gm)].map(([, bytes]) => bytes);
  assert.equal(read.length, 4);
  const pieces = read.flatMap((bytes) => bytes.match(/.{16}/g) ?? []);
  assert.equal(new Set(pieces).size, pieces.length);
});

/**
 * A guest with a source of entropy.
 * @module
 */
import { randomBytes } from "../../src/cli/self_test/judges/devices.ts";
import { judgeNative, testNative } from "./native_machine.ts";

testNative("random bytes are others each time, through a reset", (way) => {
  return judgeNative(randomBytes, "entropy", way, { rng: true }, { event_idx: 1 });
});

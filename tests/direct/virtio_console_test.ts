/**
 * A guest that prints and reads through a virtio console.
 * @module
 */
import { virtioConsole } from "../../src/cli/self_test/judges/devices.ts";
import { judgeNative, testNative } from "./native_machine.ts";

for (const eventIdx of [0, 1]) {
  testNative(
    `a virtio console carries what is printed and what is typed, event_idx=${eventIdx}`,
    (way) => {
      const parameters = { event_idx: eventIdx };
      return judgeNative(virtioConsole, "console", way, { console: "virtio" }, parameters);
    },
  );
}

/**
 * A guest that prints and reads through a virtio console.
 * @module
 */
import assert from "node:assert/strict";
import { nativeMachine, testNative } from "./native_machine.ts";
import { outcome, printed } from "./payload_machine.ts";

/** As tests/payloads/native/console.c has it. */
const MANY = Array.from({ length: 64 }, (_, i) => i === 63 ? "\n" : String.fromCharCode(48 + i))
  .join("").repeat(16 * 8192 / 64);

for (const eventIdx of [0, 1]) {
  testNative(
    `a virtio console carries what is printed and what is typed, event_idx=${eventIdx}`,
    async (way) => {
      const config = { console: "virtio" } as const;
      const parameters = { event_idx: eventIdx };
      await using machine = await nativeMachine("console", way, config, parameters);
      machine.start();
      // What is typed before a reset of the device is the guest's to lose.
      const before = await printed(machine, "ready\n");
      assert.equal(before, `hello from the queue\nhello after a reset\n${MANY}ready\n`);
      const lines = Array.from({ length: 40 }, (_, i) => `line ${i} with some text behind it\n`);
      const typed = lines.join("") + "end\n";
      await machine.console.write(new TextEncoder().encode(typed));
      const { end, console } = await outcome(machine);
      assert.deepEqual(end, { kind: "exit", status: 0 }, console);
      assert.equal(console, typed);
    },
  );
}

/**
 * The serial console of a machine, from a guest's side and from the host's.
 * @module
 */
import assert from "node:assert/strict";
import { echo } from "../../src/cli/self_test/judges/devices.ts";
import { exits } from "../../src/cli/self_test/judges/ends.ts";
import { judgePayload, outcome, payloadMachine, printed, testDirect } from "./payload_machine.ts";

const encoder = new TextEncoder();

testDirect("string instructions print, and come back byte for byte in loopback", () => {
  return judgePayload(exits(60, "0123456789abcdef, a string in one instruction\n"), "string_io");
});

const ways = [
  ["polled", {}],
  ["by interrupts through the PIC", { INTERRUPTS: 1 }],
  ["by interrupts through the I/O APIC", { INTERRUPTS: 1, IOAPIC_PIN: 4 }],
] as const;

for (const [way, defines] of ways) {
  testDirect(`what is typed is echoed in order and ends at a NUL, ${way}`, () => {
    return judgePayload(echo, "echo", {}, { defines });
  });
}

for (const [way, defines] of ways) {
  testDirect(`16 KiB of input at once come back without a byte lost, ${way}`, async () => {
    const input = Uint8Array.from({ length: 16 * 1024 }, (_, i) => 33 + i % 89);
    await using machine = await payloadMachine("echo", {}, { defines });
    machine.start();
    await printed(machine, "ready\n");
    const written = machine.console.write(input).then(() =>
      machine.console.write(new Uint8Array(1))
    );
    const { end, console } = await outcome(machine);
    await written;
    assert.deepEqual(end, { kind: "exit", status: 0 });
    assert.equal(console, new TextDecoder().decode(input));
  });
}

testDirect("input that is written before the start waits for the guest", async () => {
  await using machine = await payloadMachine("echo", {}, {});
  await machine.console.write(encoder.encode("early\0"));
  machine.start();
  const { console } = await outcome(machine);
  assert.equal(console, "ready\nearly");
});

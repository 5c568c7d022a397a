/**
 * The devices of every machine, as a guest uses them; and the ends that they give a machine.
 * @module
 */
import assert from "node:assert/strict";
import { clock } from "../../src/cli/self_test/judges/devices.ts";
import { ends } from "../../src/cli/self_test/judges/ends.ts";
import { judgePayload, runPayload, testDirect } from "./payload_machine.ts";

testDirect(
  "the real-time clock tells the time of the host in UTC",
  () => judgePayload(clock, "rtc"),
);

const S5 = 5;
const ways = [
  ["the ACPI sleep control register powers the machine off", 0x600, 1 << 5 | S5 << 2, {
    kind: "power-off",
    source: "acpi",
  }],
  ["the ACPI reset register resets the machine", 0x602, 6, { kind: "reset", source: "acpi" }],
  ["the keyboard controller's pulse resets the machine", 0x64, 0xfe, {
    kind: "reset",
    source: "i8042",
  }],
  ["port 0x92's fast reset resets the machine", 0x92, 1, { kind: "reset", source: "port 0x92" }],
] as const;

for (const [name, PORT, VALUE, expected] of ways) {
  testDirect(name, () => {
    return judgePayload(ends(expected, "bye\n"), "power", {}, { defines: { PORT, VALUE } });
  });
}

testDirect("other values at the reset and sleep registers do nothing", async () => {
  for (
    const [PORT, VALUE] of [[0x602, 5], [0x600, 1 << 5 | 1 << 2], [0x600, S5 << 2], [0x64, 0xff]]
  ) {
    const { end } = await runPayload("power", {}, { defines: { PORT, VALUE } });
    assert.deepEqual(end, { kind: "exit", status: 1 }, `port ${PORT}, value ${VALUE}`);
  }
});

testDirect("the debug exit's status is the byte that was written, from 0 to 255", async () => {
  for (const VALUE of [0, 1, 127, 255]) {
    const { end } = await runPayload("power", {}, { defines: { PORT: 0xf4, VALUE } });
    assert.deepEqual(end, { kind: "exit", status: VALUE });
  }
});

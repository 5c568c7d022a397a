/**
 * A machine whose guest has nothing to do has nothing to do either.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { OURS } from "../../bench/compare/report.ts";
import { measureIdle } from "../../bench/idleness.ts";
import { idle } from "../../bench/subjects/idle.ts";
import { CAN_MAKE_TAPS, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { PROGRAM } from "../cli/process.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { testNative } from "./native_machine.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

const SECONDS = 2;
/**
 * How often its threads may wake in a second, all together: its runtime has timers of its own. Anything that polls
 * would do so far more often.
 */
const WAKES = 25;

testNative(
  "no thread of a machine with all devices wakes while its guest is idle",
  async ({ transport, parameters }) => {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-idle-" });
    using tap = new TestTap();
    try {
      const disk = join(folder, "disk.img");
      await Deno.writeFile(disk, new Uint8Array(1 << 20));
      const { switches } = await measureIdle([[
        ...PROGRAM,
        ...["run", await compile("idle"), "--memory", "32M"],
        ...["--transport", transport, "--cmdline", parameters, "--console", "virtio,stdio"],
        ...["--disk", disk, "--net", tap.name, "--rng", "--balloon"],
        ...["--vsock", join(folder, "vsock"), "--port", "idle,file=/dev/null"],
      ]], SECONDS);
      assert(switches < WAKES, `they woke ${switches} times a second`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
  CAN_MAKE_TAPS ? [] : ["permission to make taps"],
);

Deno.test("a process that polls is seen to wake, and to take time", async () => {
  const script = "console.log('idle'); setInterval(() => {}, 10)";
  const { switches, percent } = await measureIdle([[Deno.execPath(), "eval", script]], SECONDS);
  assert(switches > WAKES, `it woke ${switches} times a second`);
  assert(percent > 0);
});

testDirect(
  "compare idle tells what one idle machine costs, and sixteen, in one process and in many",
  async () => {
    const report = await brieflyMeasured(idle);
    const single = valuesOf(report, "1 machine, processor time");
    const [, ...peers] = Object.keys(single);
    const many = valuesOf(report, "16 machines, processor time");
    assert.deepEqual(Object.keys(many), [OURS, `${OURS}, 16 processes`, ...peers]);
    for (const values of [...Object.values(single), ...Object.values(many)]) {
      assert.equal(values.length, 2);
      assert(values.every((percent) => percent >= 0), `${values}`);
    }
  },
  [...COMPILER, ...CAN_MAKE_TAPS ? [] : ["permission to make taps"]],
);

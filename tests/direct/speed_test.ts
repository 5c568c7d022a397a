/**
 * The comparisons of devices measure what they say; how fast anything is is not a test's concern.
 * @module
 */
import assert from "node:assert/strict";
import { type SpeedResult, speedTable, type Subject, SUBJECTS } from "../../bench/virtio_speed.ts";
import { CAN_MAKE_TAPS } from "../../devices/virtio/net/testing/taps.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { COMPILER } from "../payloads/compile.ts";
import { runCompare } from "./compare_process.ts";
import { testDirect } from "./payload_machine.ts";

const hasQemu = findCommand("qemu-system-x86_64") !== undefined;

function testComparison(subject: Subject, needs: readonly string[]): void {
  testDirect(
    `compare ${subject} tells what each monitor's guest gets done, as JSON and as a table`,
    async () => {
      const { code, stdout, stderr } = await runCompare(
        ...[subject, "--json", "--seconds", "0.1", "--rounds", "2"],
      );
      assert.equal(code, 0, stderr);
      const result: SpeedResult & { host: Record<string, string> } = JSON.parse(stdout);
      assert.match(result.host.kernel, /^Linux/);
      assert.equal(result.rounds, 2);
      assert.deepEqual(Object.keys(result.kinds), SUBJECTS[subject].map(({ name }) => name));
      for (const { denovisor, qemu, ratio } of Object.values(result.kinds)) {
        assert(denovisor.min > 0);
        assert.equal(qemu !== undefined, hasQemu);
        if (qemu === undefined || ratio === undefined) continue;
        assert(qemu.min > 0);
        const bounds = [denovisor.min / qemu.max, denovisor.max / qemu.min];
        assert(ratio.min >= bounds[0] * 0.999 && ratio.max <= bounds[1] * 1.001);
      }
      const table = speedTable(result);
      for (const { name } of SUBJECTS[subject]) {
        assert(table.includes(`\n${name} `), table);
      }
    },
    needs,
  );
}

testComparison("block", COMPILER);
testComparison("net", [...COMPILER, ...CAN_MAKE_TAPS ? [] : ["permission to make taps"]]);

/**
 * The comparisons of memory and of machines in one process measure what they say.
 * @module
 */
import assert from "node:assert/strict";
import { OURS } from "../../bench/compare/report.ts";
import { density, measureUpTo } from "../../bench/subjects/density.ts";
import { measure, memory, slope } from "../../bench/subjects/memory.ts";
import { CAN_MAKE_TAPS } from "../../devices/virtio/net/testing/taps.ts";
import { COMPILER } from "../payloads/compile.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

if (CAN_MAKE_TAPS) {
  testDirect("compare memory tells what machines take beside their guests' own", async () => {
    const report = await brieflyMeasured({
      ...memory,
      measure: (extent) => measure(extent, [1, 2], "/-"),
    });
    const single = valuesOf(report, "1 machine");
    const anonymous = valuesOf(report, "1 machine, what no file has");
    for (const [side, values] of Object.entries(single)) {
      for (const [i, value] of values.entries()) {
        assert(anonymous[side][i] > 1 && value > anonymous[side][i], `${side}: ${values}`);
      }
    }
    const { [OURS]: one } = valuesOf(report, "1 in one process");
    const { [OURS]: two } = valuesOf(report, "2 in one process");
    const { [OURS]: further } = valuesOf(report, "each further machine in the process");
    assert(two.every((value, i) => value > one[i] && further[i] > 0));
    assert.match(report.notes.join("\n"), /There is no dist\/denovisor/);
  }, COMPILER);
} else {
  Deno.test({ name: "compare memory [can't make taps here]", ignore: true, fn() {} });
}

Deno.test("the slope is that of the line through points, and between points that are on none", () => {
  assert.equal(slope([1, 2, 4, 8], [13, 16, 22, 34]), 3);
  assert.equal(slope([1, 2, 3], [1, 4, 1]), 0);
});

testDirect(
  "compare density starts as many machines as it says, and tells what kept it",
  async () => {
    const report = await brieflyMeasured({
      ...density,
      measure: (extent) => measureUpTo(3, extent),
    });
    assert.deepEqual(valuesOf(report, "machines at once")[OURS], [3, 3]);
    for (const { name, values } of report.measures) {
      assert(Object.values(values).flat().every((value) => value > 0), name);
    }
    assert.match(report.notes.join("\n"), /At 3 machines no more were started/);
  },
  COMPILER,
);

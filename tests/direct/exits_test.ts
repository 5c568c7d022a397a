/**
 * The measurements of exits measure what they say; how long anything takes is not a test's concern.
 * @module
 */
import assert from "node:assert/strict";
import { type Extent, OURS, type Report } from "../../bench/compare/report.ts";
import { PERCENTILE_NAMES } from "../../bench/compare/statistics.ts";
import { burstGuest, BURSTS, runBare, runLooped } from "../../bench/exit_burst.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS } from "../../bench/exit_guest.ts";
import { ExitRunLoop } from "../../bench/exit_run_loop.ts";
import { KINDS } from "../../bench/exit_turns.ts";
import { runInWorkers } from "../../bench/exit_workers.ts";
import { WAYS } from "../../bench/interrupt_turns.ts";
import { exits, measureExits } from "../../bench/subjects/exits.ts";
import { interrupt, measureInterrupts } from "../../bench/subjects/interrupt.ts";
import { measureSmp, smp } from "../../bench/subjects/smp.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { ExitCounts } from "../../src/vcpu/mod.ts";
import { assemble } from "../payloads/assemble.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

const MEMORY = 4 << 20;
const COUNT = 50;

testDirect(
  "a burst makes its number of exits, bare and through the run loop, as often as it is run",
  async () => {
    for (const kind of Object.keys(BURSTS) as (keyof typeof BURSTS)[]) {
      using guest = await burstGuest(kind, COUNT);
      runBare(guest);
      const loop = new ExitRunLoop(guest.jobs[0]);
      runLooped(loop);
      runLooped(loop);
      // Each burst ends with a write to the debug exit.
      const expected = kind.startsWith("port")
        ? { KVM_EXIT_IO: 2 * (COUNT + 1) }
        : { KVM_EXIT_IO: 2, KVM_EXIT_MMIO: 2 * COUNT };
      assert.deepEqual(new ExitCounts(guest.jobs[0].exits).byName(), expected, kind);
    }
  },
);

/** Exits of each kind that come before those that count. */
const WARM_UP = 100;

/** Holds that a measure's percentiles are positive and ascend, on each side and in each round. */
function checkPercentiles(report: Report, name: string, sides: readonly string[]): void {
  const [p50, p99, p999] = PERCENTILE_NAMES.map((part) => valuesOf(report, `${name}, ${part}`));
  assert.deepEqual(Object.keys(p50), sides);
  for (const side of sides) {
    for (const [round, median] of p50[side].entries()) {
      const [late, later] = [p99[side][round], p999[side][round]];
      assert(0 < median && median <= late && late <= later, `${median} ≤ ${late} ≤ ${later}`);
    }
  }
}

testDirect(
  "compare exits tells the percentiles of the run loop beside C, and of whole monitors",
  async () => {
    const measure = (extent: Extent) => measureExits(extent, WARM_UP);
    const report = await brieflyMeasured({ ...exits, measure });
    const monitors = findCommand("qemu-system-x86_64") === undefined ? [OURS] : [OURS, "QEMU"];
    for (const kind of KINDS) {
      checkPercentiles(report, kind, [OURS, "C"]);
      checkPercentiles(report, `${kind}, whole monitor`, monitors);
    }
    assert.equal(report.measures.length, 2 * KINDS.length * PERCENTILE_NAMES.length);
  },
  ["gcc"],
);

testDirect(
  "compare smp tells how exits of two vCPUs scale",
  async () => {
    const measure = (extent: Extent) => measureSmp(extent, WARM_UP);
    const report = await brieflyMeasured({ ...smp, measure });
    for (const kind of KINDS) {
      checkPercentiles(report, `${kind}, 2 vCPUs`, [OURS, "C"]);
      const scaling = valuesOf(report, `${kind}, scaling`);
      const one = valuesOf(report, `${kind}, 1 vCPU`);
      const two = valuesOf(report, `${kind}, 2 vCPUs`);
      for (const side of [OURS, "C"]) {
        assert.deepEqual(scaling[side], two[side].map((rate, round) => rate / one[side][round]));
      }
    }
  },
  ["gcc"],
);

testDirect(
  "compare interrupt tells the percentiles of both ways to cause an interrupt",
  async () => {
    const measure = (extent: Extent) => measureInterrupts(extent, WARM_UP);
    const report = await brieflyMeasured({ ...interrupt, measure });
    for (const way of WAYS) checkPercentiles(report, way, [OURS, "C", "C with epoll"]);
    assert.equal(report.measures.length, WAYS.length * PERCENTILE_NAMES.length);
  },
  ["gcc"],
);

testDirect("a measured guest that does not end as it should is stopped and told of", async () => {
  // The second vCPU waits for a third one, which there is not.
  const payload = await assemble("exit_latency", {
    format: "flat",
    address: PAYLOAD_ADDRESS,
    defines: { PORT: 0x81, DEVICE },
  });
  using guest = ExitGuest.create(await Deno.readFile(payload.path), MEMORY, 2);
  for (const [i, value] of [1, 0, 3].entries()) guest.ram.memory.writeU32(0x1000 + 4 * i, value);
  const failed = runInWorkers(guest, 80, guest.jobs, 1000);
  await assert.rejects(failed, /did not end as it should: {"kind":"stopped"}/);
});

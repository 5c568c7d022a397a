/**
 * The measurements of exits measure what they say; how long anything takes is not a test's concern.
 * @module
 */
import assert from "node:assert/strict";
import { burstGuest, BURSTS, runBare, runLooped } from "../../bench/exit_burst.ts";
import { ExitRunLoop } from "../../bench/exit_run_loop.ts";
import { type ExitsResult, exitsTable, KINDS } from "../../bench/exits.ts";
import { PERCENTILE_NAMES } from "../../bench/compare/statistics.ts";
import { ExitCounts } from "../../src/vcpu/mod.ts";
import { runCompare } from "./compare_process.ts";
import { testDirect } from "./payload_machine.ts";

const COUNT = 50;

testDirect(
  "a burst makes its number of exits, bare and through the run loop, as often as it is run",
  async () => {
    for (const kind of Object.keys(BURSTS) as (keyof typeof BURSTS)[]) {
      using guest = await burstGuest(kind, COUNT);
      runBare(guest);
      const loop = new ExitRunLoop(guest.job);
      runLooped(loop);
      runLooped(loop);
      // Each burst ends with a write to the debug exit.
      const expected = kind.startsWith("port")
        ? { KVM_EXIT_IO: 2 * (COUNT + 1) }
        : { KVM_EXIT_IO: 2, KVM_EXIT_MMIO: 2 * COUNT };
      assert.deepEqual(new ExitCounts(guest.job.exits).byName(), expected, kind);
    }
  },
);

testDirect(
  "compare exits tells the percentiles of both sides and their ratio, as JSON and as a table",
  async () => {
    const args = ["exits", "--json", "--seconds", "0.1", "--rounds", "1"];
    const { code, stdout, stderr } = await runCompare(...args);
    assert.equal(code, 0, stderr);
    const result: ExitsResult & { host: Record<string, string> } = JSON.parse(stdout);
    assert.match(result.host.deno, /^\d+\.\d+/);
    assert.deepEqual(Object.keys(result.kinds), [...KINDS]);
    for (const comparisons of Object.values(result.kinds)) {
      for (const side of ["denovisor", "c"] as const) {
        const [p50, p99, p999] = PERCENTILE_NAMES.map((name) => comparisons[name][side].median);
        assert(0 < p50 && p50 <= p99 && p99 <= p999, `${p50} ≤ ${p99} ≤ ${p999}`);
      }
      const { denovisor, c, ratio } = comparisons.p50;
      assert.equal(ratio.median, denovisor.median / c.median);
    }
    const table = exitsTable(result);
    for (const kind of KINDS) assert.match(table, new RegExp(`^${kind} +p99\\.9 `, "m"));
  },
  ["gcc"],
);

Deno.test("compare says how it is used", async () => {
  const wrong = [
    [],
    ["exit"],
    ["toString"],
    ["exits", "block"],
    ["exits", "--seconds", "soon"],
    ["net", "--second", "1"],
  ];
  for (const args of wrong) {
    const { code, stderr } = await runCompare(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /usage: deno task compare exits\|block\|net/);
  }
});

/**
 * A real comparison goes all its way: from the command line over a process of its own to a file, a report and charts.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runCompare } from "./compare_process.ts";
import { testDirect } from "./payload_machine.ts";

testDirect(
  "compare measures a subject, keeps every value, and writes the report and its charts",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-compare-test-" });
    try {
      const extent = ["--seconds", "1", "--rounds", "2"];
      const { code, stdout, stderr } = await runCompare(
        "vsock",
        ...extent,
        "--write",
        "--folder",
        folder,
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^round trip of 64 bytes +µs +\d/m);
      assert.match(stdout, /^guest to host, .* ≥ 1,024 MiB\/s +\d\S* MiB\/s .* (met|missed)$/m);
      const kept = JSON.parse(await Deno.readTextFile(join(folder, "results/direct/vsock.json")));
      assert.match(kept.command, /^deno task compare vsock /);
      assert.deepEqual(kept.extent, { seconds: 1, rounds: 2 });
      for (const { name, values } of kept.report.measures) {
        assert.equal(Object.keys(values)[0], "denovisor", name);
        for (const ofSide of Object.values<number[]>(values)) {
          assert.equal(ofSide.length, 2);
          assert.ok(ofSide.every((value) => value >= 0), name);
        }
      }
      const report = await Deno.readTextFile(join(folder, "RESULTS.md"));
      for (const [, link] of report.matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)) {
        assert.match(await Deno.readTextFile(join(folder, link)), /^<svg .*<\/svg>\n$/s);
      }
      assert.match(report, /^\| round trip of 64 bytes \(µs, less is better\) \| \d/m);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
  ["gcc"],
);

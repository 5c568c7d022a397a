/**
 * Comparisons that need a stock kernel are made in the lab where this host can't run one.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { probeStockKernels } from "../../src/machine/probe/probe.ts";
import { CHECKOUT } from "./mod.ts";

Deno.test("a comparison that needs a stock kernel is made where one runs, and its result comes back", async () => {
  const { runsStockKernels } = await probeStockKernels();
  const program = join(CHECKOUT, "bench/compare/testing/subjects.ts");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", program, "far", "--json", "--rounds", "3"],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  const [kept] = JSON.parse(decoder.decode(stdout));
  assert.equal(kept.place, runsStockKernels ? "this machine" : "the lab");
  assert.match(kept.host.processor, runsStockKernels ? /./ : /QEMU TCG/);
  assert.deepEqual(kept.report.measures[0].values, { denovisor: [1, 4, 5], C: [4, 6, 12] });
  assert.equal(/^far: fetched$/m.test(decoder.decode(stderr)), !runsStockKernels);
  assert.equal(/in the lab, for this host/.test(decoder.decode(stderr)), !runsStockKernels);
});

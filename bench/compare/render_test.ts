import assert from "node:assert/strict";
import { join } from "node:path";
import { SUBJECTS } from "../subjects/mod.ts";
import { keep, readKept } from "./record.ts";
import { render, rendered } from "./render.ts";
import { exitMeasure, keptOf } from "./testing/reports.ts";

const BENCH = join(import.meta.dirname!, "..");

Deno.test("the report and the charts in this checkout are what its results make, and nothing else", async () => {
  const texts = rendered(await readKept(join(BENCH, "results"), SUBJECTS));
  for (const [place, text] of Object.entries(texts)) {
    const there = await Deno.readTextFile(join(BENCH, place));
    assert.ok(there === text, `${place} is not what deno task compare --render makes`);
  }
});

Deno.test("results come in the subjects' order, and what was kept is read as it was", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [first, second] = SUBJECTS.map(({ name, rig }) => {
      const kept = keptOf(name, [exitMeasure()]);
      return { ...kept, subject: { ...kept.subject, rig } };
    });
    const unknown = keptOf("a-former-one", [exitMeasure({ goals: undefined })]);
    for (const kept of [unknown, second, first]) await keep(join(folder, "results"), kept);
    const text = await Deno.readTextFile(join(folder, "results/direct/a-former-one.json"));
    assert.match(text, /"denovisor": \[ 8, 9, 10 \]/, "a list of numbers is a line");
    const read = await readKept(join(folder, "results"), SUBJECTS);
    assert.deepEqual(read, JSON.parse(JSON.stringify([first, second, unknown])));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a chart whose result is gone goes with the next report", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const kept = keptOf("exits", [exitMeasure()]);
    await keep(join(folder, "results"), kept);
    await Deno.writeTextFile(join(folder, "results/gone.svg"), "<svg/>");
    assert.equal(await render(folder, []), join(folder, "RESULTS.md"));
    const names = [...Deno.readDirSync(join(folder, "results"))].map(({ name }) => name).sort();
    assert.deepEqual(names, ["direct", "exits.svg", "goals.svg"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

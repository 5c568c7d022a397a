/**
 * The report and its charts, made of the results that are kept.
 * @module
 */
import { join } from "node:path";
import { chart } from "./chart.ts";
import { goalsChart } from "./goals_chart.ts";
import { chartPlace, GOALS_CHART, markdown } from "./markdown.ts";
import { type Kept, readKept } from "./record.ts";
import type { Subject } from "./report.ts";

/** The report's name, in its folder. */
export const REPORT = "RESULTS.md";

/** Everything that is made of results: texts by their places, from the report's folder on. */
export function rendered(all: readonly Kept[]): Readonly<Record<string, string>> {
  return {
    [REPORT]: markdown(all),
    [GOALS_CHART]: goalsChart(all),
    ...Object.fromEntries(all.map((kept) => [chartPlace(kept.subject), chart(kept)])),
  };
}

/**
 * Writes the report and the charts, and removes the charts of results that aren't kept any more.
 *
 * @param folder where the report is, and the folder of results
 * @returns the report's path
 */
export async function render(folder: string, subjects: readonly Subject[]): Promise<string> {
  const results = join(folder, "results");
  const texts = rendered(await readKept(results, subjects));
  await Deno.mkdir(results, { recursive: true });
  for (const [place, text] of Object.entries(texts)) {
    await Deno.writeTextFile(join(folder, place), text);
  }
  for await (const { name } of Deno.readDir(results)) {
    const old = name.endsWith(".svg") && !Object.hasOwn(texts, `results/${name}`);
    if (old) await Deno.remove(join(results, name));
  }
  return join(folder, REPORT);
}

/**
 * The report and its charts, made of the results that are kept.
 * @module
 */
import { join } from "node:path";
import { chart } from "./chart.ts";
import { goalsChart } from "./goals_chart.ts";
import { chartPlace, GOALS_CHART, markdown } from "./markdown.ts";
import { readKept } from "./record.ts";
import type { Subject } from "./report.ts";

/**
 * Writes RESULTS.md and the charts.
 *
 * @param folder where RESULTS.md is, and the folder of results
 * @returns the report's path
 */
export async function render(folder: string, subjects: readonly Subject[]): Promise<string> {
  const all = await readKept(join(folder, "results"), subjects);
  await Deno.mkdir(join(folder, "results"), { recursive: true });
  for (const kept of all) {
    await Deno.writeTextFile(join(folder, chartPlace(kept.subject)), chart(kept));
  }
  await Deno.writeTextFile(join(folder, GOALS_CHART), goalsChart(all));
  const path = join(folder, "RESULTS.md");
  await Deno.writeTextFile(path, markdown(all));
  return path;
}

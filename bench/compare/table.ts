/**
 * A result as a table for terminals.
 * @module
 */
import { goalText, resultText, sidesOf, spreadText, VERDICTS } from "./format.ts";
import { judge, ratio } from "./judge.ts";
import type { Kept } from "./record.ts";
import { type Measure, OURS } from "./report.ts";
import { spread } from "./statistics.ts";

/** Cells of a row for each measure: its values by side, then ours by each other side's; the first row is the head. */
export function cells(measures: readonly Measure[]): string[][] {
  const sides = sidesOf(measures);
  const others = sides.filter((side) => side !== OURS);
  const value = (measure: Measure, side: string) =>
    Object.hasOwn(measure.values, side) ? spreadText(spread(measure.values[side])) : "";
  const by = (measure: Measure, side: string) => {
    const result = ratio(measure, OURS, side);
    return result === undefined ? "" : spreadText(result);
  };
  return [
    ["", "unit", ...sides, ...others.map((side) => `by ${side}`)],
    ...measures.map((measure) => [
      measure.name,
      measure.unit,
      ...sides.map((side) => value(measure, side)),
      ...others.map((side) => by(measure, side)),
    ]),
  ];
}

/** All that a result tells. */
export function table({ subject, place, host, date, extent, report }: Kept): string {
  const { measures, notes } = report;
  const goals = measures.flatMap((measure) => (measure.goals ?? []).map((g) => judge(measure, g)));
  return [
    `${subject.title}, on ${place}, ${date.slice(0, 16).replace("T", " ")} UTC`,
    ...Object.entries(host).map(([name, value]) => `  ${name.padEnd(12)}${value}`),
    "",
    `${extent.rounds} rounds in about ${extent.seconds} s; medians, and the range of the rounds`,
    "",
    ...aligned(cells(measures)),
    ...goals.length === 0 ? [] : [
      "",
      ...aligned([
        ["", "goal", "result", ""],
        ...goals.map((judgement) => [
          judgement.measure.name,
          goalText(judgement.goal, judgement.measure),
          resultText(judgement),
          VERDICTS[judgement.verdict],
        ]),
      ]),
    ],
    ...notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)],
    "",
  ].join("\n");
}

/** Rows with columns of equal width, all but the first to the right. */
function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
      .trimEnd()
  );
}

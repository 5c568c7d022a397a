/**
 * Numbers, goals and verdicts as text, alike in tables, reports and charts.
 * @module
 */
import type { Judgement, Verdict } from "./judge.ts";
import { type Goal, type Measure, OURS } from "./report.ts";
import type { Spread } from "./statistics.ts";

/** Significant digits of values and ratios. */
const DIGITS = 4;

/** A number with so many significant digits and no exponent; thousands are separated. */
export function figure(value: number, digits: number): string {
  const rounded = Number(value.toPrecision(digits));
  return rounded.toLocaleString("en", { maximumFractionDigits: 6 });
}

/** A median and its range: `8.3 (8.1–9)`; the median alone where there is no range. */
export function spreadText({ median, min, max }: Spread, unit = ""): string {
  const [middle, low, high] = [median, min, max].map((value) => figure(value, DIGITS));
  const text = `${middle} ${unit}`.trimEnd();
  return low === high ? text : `${text} (${low}–${high})`;
}

/** A goal: `≤ 1.05 × C`, `≥ 20 1/s`, `deno run ≤ 3 ms`. */
export function goalText({ side = OURS, by, atMost, atLeast }: Goal, { unit }: Measure): string {
  const limit = atMost !== undefined ? `≤ ${figure(atMost, 6)}` : `≥ ${figure(atLeast!, 6)}`;
  const whose = side === OURS ? "" : `${side} `;
  return `${whose}${limit} ${by === undefined ? unit : `× ${by}`}`.trimEnd();
}

/** What came of a goal: `1.02 × C (0.98–1.1)`. */
export function resultText({ result, goal, measure }: Judgement): string {
  if (result === undefined) return goal.by === undefined ? "" : `no ${goal.by}`;
  return spreadText(result, goal.by === undefined ? measure.unit : `× ${goal.by}`);
}

/** Verdicts in a table. */
export const VERDICTS: Readonly<Record<Verdict, string>> = {
  met: "met",
  missed: "missed",
  unknown: "not measured",
};

/** All sides of some measures, in the order in which they first come. */
export function sidesOf(measures: readonly Measure[]): string[] {
  return [...new Set(measures.flatMap(({ values }) => Object.keys(values)))];
}

/** What is measured and which way is good: `µs, less is better`. */
export function unitText({ unit, better }: Measure): string {
  return unit === "" ? `${better} is better` : `${unit}, ${better} is better`;
}

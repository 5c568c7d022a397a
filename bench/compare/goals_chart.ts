/**
 * A chart of all goals: how far each result is on the good side of its goal, on a logarithmic scale. Results of a
 * subject with the same goal share a row, a dot for each.
 * @module
 */
import { figure, goalText } from "./format.ts";
import { judgeAll, type Judgement, margin } from "./judge.ts";
import type { Kept } from "./record.ts";
import { fitted, round, svg, text, WIDTH } from "./svg.ts";

/** For what was measured, and for its goal. */
const NAMES = 290;
const GOALS = 115;
const LABELS = NAMES + GOALS;
const FIGURES = 105;
const HEAD = 40;
const ROW = 20;
const DOT = 4;
const PADDING = 10;
/** What is further away from its goal than that is shown at the edge, by an arrow. */
const FURTHEST = 4;

interface Row {
  readonly subject: string;
  readonly goal: string;
  readonly judgements: Judgement[];
}

/** Draws the goals of all results that have some; the same results give the same picture. */
export function goalsChart(all: readonly Kept[]): string {
  const rows = all.flatMap(rowsOf);
  const middle = (LABELS + WIDTH - FIGURES) / 2;
  const half = (WIDTH - FIGURES - LABELS) / 2 - 2 * DOT;
  const x = (value: number) => middle + half * Math.log(clamped(value)) / Math.log(FURTHEST);
  const bottom = HEAD + rows.length * ROW;
  const grid = [2, FURTHEST].flatMap((factor) => [
    line("grid", x(factor), bottom, `${factor}×`),
    line("grid", x(1 / factor), bottom, `1/${factor}`),
  ]);
  const parts = rows.flatMap((row, index) => drawn(row, HEAD + index * ROW + ROW / 2, x));
  const label = "Each goal of the comparisons, and how far the results are on its good side";
  return svg(bottom + PADDING, label, [
    text(PADDING, 14, "Worse than the goal is left of the line, better is right of it.", "figure"),
    ...grid.flat(),
    ...line("goal", x(1), bottom, "goal"),
    ...parts,
  ]);
}

function line(kind: string, x: number, bottom: number, label: string): string[] {
  return [
    `<path class="${kind}" d="M${round(x)} ${HEAD - 6}V${bottom}"/>`,
    text(x, HEAD - 12, label, "figure", "middle"),
  ];
}

function rowsOf(kept: Kept): Row[] {
  const rows = new Map<string, Row>();
  for (const judgement of judgeAll(kept.report)) {
    if (judgement.result === undefined) continue;
    const goal = goalText(judgement.goal, judgement.measure);
    const row = rows.get(goal) ?? { subject: kept.subject.name, goal, judgements: [] };
    rows.set(goal, row);
    row.judgements.push(judgement);
  }
  return [...rows.values()];
}

function drawn(
  { subject, goal, judgements }: Row,
  y: number,
  x: (value: number) => number,
): string[] {
  const names = [subject, ...common(judgements.map(({ measure }) => measure.name))].join(": ");
  const medians = judgements.map(({ result }) => result!.median);
  const [least, most] = [Math.min(...medians), Math.max(...medians)].map((n) => figure(n, 3));
  return [
    text(NAMES - 8, y + 4, fitted(names, NAMES - 8 - PADDING), "", "end"),
    text(NAMES, y + 4, fitted(goal, GOALS), "figure"),
    ...judgements.map((judgement) => {
      const { verdict } = judgement;
      const far = margin(judgement)!;
      return mark(verdict, x(far), y, far > FURTHEST ? 1 : far < 1 / FURTHEST ? -1 : 0);
    }),
    text(WIDTH - FIGURES + 8, y + 4, least === most ? least : `${least}–${most}`, "figure"),
  ];
}

/** What names have in common, of their parts between commas. @returns one text, or none */
export function common(names: readonly string[]): string[] {
  const [first, ...others] = names.map((name) => name.split(", "));
  const parts = first.filter((part) => others.every((other) => other.includes(part)));
  return parts.length === 0 ? [] : [parts.join(", ")];
}

/** A dot, or an arrow to the right (1) or to the left (-1). */
function mark(kind: string, x: number, y: number, direction: -1 | 0 | 1): string {
  if (direction === 0) {
    return `<circle class="${kind}" cx="${round(x)}" cy="${round(y)}" r="${DOT}"/>`;
  }
  const [back, tip] = [-DOT * direction, 1.5 * DOT * direction];
  return `<path class="${kind}" d="M${round(x + back)} ${round(y - DOT)}V${round(y + DOT)}` +
    `L${round(x + tip)} ${round(y)}Z"/>`;
}

function clamped(value: number): number {
  return Math.min(FURTHEST, Math.max(1 / FURTHEST, value));
}

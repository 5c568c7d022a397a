/**
 * What a report says: whether its goals are met, and how the sides compare.
 *
 * Sides of one round are compared with each other, since what else the host does changes from one round to the next;
 * the median of the rounds' ratios counts.
 * @module
 */
import { type Goal, type Measure, OURS, type Report } from "./report.ts";
import { type Spread, spread } from "./statistics.ts";

/** Whether a goal is met; "unknown" where a side wasn't measured. */
export type Verdict = "met" | "missed" | "unknown";

/** One goal and what came of it. */
export interface Judgement {
  readonly measure: Measure;
  readonly goal: Goal;
  /** The values or ratios that the goal is about; undefined where they weren't measured. */
  readonly result?: Spread;
  readonly verdict: Verdict;
}

/**
 * The values of one side by those of another, round by round; undefined where either wasn't measured, or where there is
 * a zero to divide by.
 */
export function ratio(measure: Measure, side: string, by: string): Spread | undefined {
  const dividends = valuesOf(measure, side);
  const divisors = valuesOf(measure, by);
  if (dividends === undefined || divisors === undefined || divisors.includes(0)) return undefined;
  return spread(dividends.map((value, round) => value / divisors[round]));
}

function valuesOf({ values }: Measure, side: string): readonly number[] | undefined {
  return Object.hasOwn(values, side) ? values[side] : undefined;
}

/** Judges one goal of a measure. */
export function judge(measure: Measure, goal: Goal): Judgement {
  const { side = OURS, by, atMost = Infinity, atLeast = -Infinity } = goal;
  const values = valuesOf(measure, side);
  const result = by !== undefined
    ? ratio(measure, side, by)
    : values === undefined
    ? undefined
    : spread(values);
  if (result === undefined) return { measure, goal, verdict: "unknown" };
  const met = result.median <= atMost && result.median >= atLeast;
  return { measure, goal, result, verdict: met ? "met" : "missed" };
}

/** Judges all goals of a report, in their order. */
export function judgeAll({ measures }: Report): Judgement[] {
  return measures.flatMap((measure) => (measure.goals ?? []).map((goal) => judge(measure, goal)));
}

/**
 * How far a result is on the good side of its goal: 1 is just there, 2 is twice as good, 0.5 half as good. Infinite
 * where nothing was to be as little as possible and is nothing.
 */
export function margin({ goal, result }: Judgement): number | undefined {
  if (result === undefined) return undefined;
  // Nothing by nothing is no number.
  if (result.median === (goal.atMost ?? goal.atLeast)) return 1;
  return goal.atMost !== undefined ? goal.atMost / result.median : result.median / goal.atLeast!;
}

/**
 * Checks what a subject reports before it is kept.
 *
 * @throws {Error} that says what is wrong with it
 */
export function checkReport({ measures, commands }: Report): void {
  if (measures.length === 0) throw new Error("nothing was measured");
  const names = new Set<string>();
  for (const { name, values, goals = [] } of measures) {
    const refuse = (why: string): never => {
      throw new Error(`the measure "${name}" ${why}`);
    };
    if (names.has(name)) refuse("is there twice");
    names.add(name);
    const sides = Object.keys(values);
    if (sides[0] !== OURS) refuse(`doesn't begin with ${OURS}`);
    const rounds = values[OURS].length;
    if (rounds === 0) refuse("has no values");
    for (const side of sides) {
      if (values[side].length !== rounds) {
        refuse(`has ${rounds} values of ${OURS} and ${values[side].length} of ${side}`);
      }
      if (!values[side].every(Number.isFinite)) refuse(`has a value of ${side} that isn't finite`);
      if (!Object.hasOwn(commands, side)) refuse(`has values of ${side}, whose command isn't told`);
    }
    for (const { atMost, atLeast } of goals) {
      if ((atMost === undefined) === (atLeast === undefined)) {
        refuse("has a goal without one limit");
      }
    }
  }
}

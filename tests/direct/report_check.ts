/**
 * What the tests of comparisons ask of a report: that it is one, and that work was done; how fast anything is is not
 * their concern.
 * @module
 */
import assert from "node:assert/strict";
import { checkReport } from "../../bench/compare/judge.ts";
import type { Report, Subject } from "../../bench/compare/report.ts";

/** Measures for a moment, in two rounds, and gives what is well-formed. */
export async function brieflyMeasured(subject: Subject, seconds = 0.1): Promise<Report> {
  const told: number[] = [];
  const report = await subject.measure({ seconds, rounds: 2, onRound: (done) => told.push(done) });
  checkReport(report);
  assert.deepEqual([...new Set(told)], [1, 2]);
  return report;
}

/** The values of a measure's sides. */
export function valuesOf({ measures }: Report, name: string): Readonly<Record<string, number[]>> {
  const measure = measures.find((each) => each.name === name);
  assert(measure !== undefined, `no measure "${name}" among ${measures.map(({ name }) => name)}`);
  return Object.fromEntries(
    Object.entries(measure.values).map(([side, values]) => [side, [...values]]),
  );
}

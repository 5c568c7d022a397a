/**
 * The report of a self-test: for people, line by line as it comes, and for scripts.
 * @module
 */
import { BOLD_RED, GREEN, paint, YELLOW } from "../paint.ts";
import { formatDuration } from "../values.ts";
import { AREAS, type SelfTestCase } from "./case.ts";
import type { CaseResult } from "./runner.ts";

/** A case in `denovisor self-test --json`. */
export interface CaseReport {
  readonly name: string;
  readonly area: string;
  readonly title: string;
  readonly result: "pass" | "fail" | "skip";
  readonly milliseconds: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** The last lines of a guest that failed. */
  readonly console?: readonly string[];
  /** What the devices of a guest that failed had to say. */
  readonly log?: readonly string[];
}

/** The shape of `denovisor self-test --json`. */
export interface SelfTestReport {
  readonly version: string;
  /** How the program is carried: `source`, or what made the executable. */
  readonly carrier: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Cases that were not run, because a signal ended the test or the host can't run any. */
  readonly notRun: number;
  readonly milliseconds: number;
  /** Why no case could be run. */
  readonly problem?: string;
  readonly cases: readonly CaseReport[];
}

/** What was to be run, and what came of it. */
export interface SelfTestRun {
  readonly version: string;
  readonly carrier: string;
  readonly cases: readonly SelfTestCase[];
  readonly results: readonly CaseResult[];
  readonly milliseconds: number;
  readonly problem?: string;
}

/** A run as a report. */
export function reportOn({ cases, results, ...rest }: SelfTestRun): SelfTestReport {
  const count = (result: string) =>
    results.filter(({ outcome }) => outcome.result === result).length;
  const { version, carrier, milliseconds, problem } = rest;
  return {
    version,
    carrier,
    passed: count("pass"),
    failed: count("fail"),
    skipped: count("skip"),
    notRun: cases.length - results.length,
    milliseconds: Math.round(milliseconds),
    ...problem === undefined ? {} : { problem },
    cases: results.map(({ case: { name, area, title }, milliseconds, outcome }) => {
      const { result, ...details } = outcome;
      return { name, area, title, result, milliseconds: Math.round(milliseconds), ...details };
    }),
  };
}

const LOOKS = {
  pass: { word: "pass", color: GREEN },
  fail: { word: "FAIL", color: BOLD_RED },
  skip: { word: "skip", color: YELLOW },
} as const;

/** Where the text of what was wrong begins. */
const INDENT = " ".repeat("  FAIL  ".length);

/** The table, of which each line can be printed as soon as it is known. */
export class Table {
  readonly #width: number;
  readonly #color: boolean;
  #area: string | undefined;

  /** @param cases all that are to be run, so that the columns are as wide as they need to be */
  constructor(cases: readonly SelfTestCase[], color: boolean) {
    this.#width = Math.max(...cases.map(({ name }) => name.length));
    this.#color = color;
  }

  /** A case's line, below the name of its area where that is new, and above what was wrong. */
  row({ case: { name, title, area }, milliseconds, outcome }: CaseResult): string {
    const { word, color } = LOOKS[outcome.result];
    const status = paint(word, color, this.#color);
    const time = outcome.result === "skip" ? "" : formatDuration(milliseconds);
    const text = outcome.result === "skip" ? `skipped: ${outcome.reason}` : title;
    const line = `  ${status}  ${name.padEnd(this.#width)}  ${time.padStart(6)}  ${text}\n`;
    const details = outcome.result === "fail" ? failureLines(outcome) : [];
    return this.#heading(area) + line + details.map((text) => `${INDENT}${text}\n`).join("");
  }

  /** A case's line in a list. */
  listed({ name, title, area }: SelfTestCase): string {
    return `${this.#heading(area)}  ${name.padEnd(this.#width)}  ${title}\n`;
  }

  #heading(area: SelfTestCase["area"]): string {
    if (area === this.#area) return "";
    const gap = this.#area === undefined ? "" : "\n";
    this.#area = area;
    return `${gap}${AREAS[area]}\n`;
  }
}

/** How much of a guest's console is shown. */
const LINES = 10;

function failureLines(
  { reason, console, log }: Extract<CaseResult["outcome"], { readonly result: "fail" }>,
): string[] {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [
    ...reason.split("\n").map((line, i) => (i === 0 ? "-> " : "   ") + line),
    ...section("the last lines of its console:", console.slice(-LINES)),
    ...section("its devices:", log),
  ];
}

/** The last line. */
export function summary({ passed, failed, skipped, notRun, milliseconds }: SelfTestReport): string {
  const left = notRun === 0 ? "" : `, ${notRun} not run`;
  const counts = `${passed} passed, ${failed} failed, ${skipped} skipped${left}`;
  return `${counts} in ${formatDuration(milliseconds)}`;
}

/**
 * The report on all results: bench/RESULTS.md.
 * @module
 */
import { figure, goalText, resultText, unitText, VERDICTS } from "./format.ts";
import { judgeAll } from "./judge.ts";
import type { Kept } from "./record.ts";
import { cells } from "./table.ts";

/** The chart of all goals, from the report's folder on. */
export const GOALS_CHART = "results/goals.svg";

/** The chart of a subject, from the report's folder on. */
export function chartPlace({ name }: Kept["subject"]): string {
  return `results/${name}.svg`;
}

/** Writes the report; the same results give the same text. */
export function markdown(all: readonly Kept[]): string {
  const judgements = all.flatMap((kept) =>
    judgeAll(kept.report).map((judgement) => ({ subject: kept.subject, judgement }))
  );
  const counts = (["met", "missed", "unknown"] as const).map((verdict) =>
    `${judgements.filter(({ judgement }) => judgement.verdict === verdict).length} ${
      VERDICTS[verdict]
    }`
  );
  return [
    "# Results",
    "",
    "Made by `deno task compare` of the files in [results](results), which have every value of " +
    "every round; nothing here is written by hand. Both sides of a ratio come from the same round " +
    "of the same run, and the median of the rounds counts; in brackets stand the least and the " +
    "greatest.",
    "",
    ...judgements.length === 0 ? [] : [
      `Of ${judgements.length} goals: ${counts.join(", ")}.`,
      "",
      `![How far each result is on the good side of its goal](${GOALS_CHART})`,
      "",
      ...tableLines([
        ["what", "goal", "result", ""],
        ...judgements.map(({ subject, judgement }) => [
          `[${escape(subject.title)}](#${anchor(subject.title)}): ${
            escape(judgement.measure.name)
          }`,
          escape(goalText(judgement.goal, judgement.measure)),
          escape(resultText(judgement)),
          VERDICTS[judgement.verdict],
        ]),
      ]),
      "",
    ],
    ...all.flatMap(section),
  ].join("\n");
}

function section(kept: Kept): string[] {
  const { subject, place, host, date, commit, command, extent, report } = kept;
  return [
    `## ${escape(subject.title)}`,
    "",
    escape(subject.about),
    "",
    `![${escape(subject.title)}](${chartPlace(subject)})`,
    "",
    ...tableLines(measureCells(kept)),
    "",
    ...report.notes.flatMap((note) => [`- ${escape(note)}`]),
    ...report.notes.length === 0 ? [] : [""],
    `Measured on ${place}, ${date}, at commit ${escape(commit)}: ${
      figure(extent.rounds, 6)
    } rounds in about ${figure(extent.seconds, 6)} s.`,
    "",
    ...tableLines([["", ""], ...Object.entries(host).map((pair) => pair.map(escape))]),
    "",
    "```sh",
    command,
    ...Object.entries(report.commands).flatMap(([side, line]) => ["", `# ${side}`, line]),
    "```",
    "",
  ];
}

function measureCells({ report: { measures } }: Kept): string[][] {
  const [head, ...rows] = cells(measures);
  return [
    ["", ...head.slice(2)].map(escape),
    ...rows.map(([name, , ...values], i) =>
      [`${name} (${unitText(measures[i])})`, ...values].map(escape)
    ),
  ];
}

/** A table in which all columns but the first are to the right. */
function tableLines([head, ...rows]: readonly string[][]): string[] {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  return [
    line(head),
    line(head.map((_, column) => column === 0 ? "---" : "--:")),
    ...rows.map(line),
  ];
}

/** A text of which Markdown makes nothing but itself, in a paragraph or a table. */
export function escape(text: string): string {
  return text.replace(/[\\`*_[\]<>|#~&]/g, "\\$&").replace(/\s*\n\s*/g, " ");
}

/** The anchor that is made of a heading. */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
}

/**
 * The command line of `deno task compare`.
 * @module
 */
import { Command, InvalidArgumentError } from "commander";
import { join } from "node:path";
import type { Subject } from "./report.ts";

/** What is asked for. */
export interface Options {
  /** What to measure; all that don't take long, where nothing is named. */
  readonly subjects: readonly Subject[];
  /** Whether single subjects are named. */
  readonly named: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly json: boolean;
  /** Whether results are kept. */
  readonly write: boolean;
  /** Whether nothing is measured: the report is made anew of what is kept. */
  readonly render: boolean;
  /** Whether to measure in this very process. */
  readonly here: boolean;
  /** Where RESULTS.md and the folder of results are. */
  readonly folder: string;
}

interface Values {
  readonly seconds?: number;
  readonly rounds?: number;
  readonly json?: true;
  readonly write?: boolean;
  readonly render?: true;
  readonly here?: true;
  readonly folder: string;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It has to be a number above 0.");
}

function count(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number of at least 1.");
}

/**
 * Understands a command line.
 *
 * @throws {CommanderError} for one that makes no sense, and for `--help`; its text is written by then
 */
export function parseOptions(args: readonly string[], subjects: readonly Subject[]): Options {
  const command = new Command("deno task compare")
    .description(
      "Measures denovisor and others with the same guests, in turn, in the same run: a loop in C, " +
        "QEMU's microVM, and further monitors that are installed. Without a SUBJECT, measures " +
        "all of them, keeps the results, and writes bench/RESULTS.md and its charts.",
    )
    .argument("[SUBJECT...]", "what to compare")
    .option("--seconds <n>", "about how long to measure each subject, all sides together", positive)
    .option("--rounds <n>", "how often each side has its turn; their medians count", count)
    .option("--json", "print the results as JSON: every value of every round")
    .option("--write", "keep the results of single subjects too, and bring the report up to date")
    .option("--no-write", "keep nothing of a run of all")
    .option("--render", "measure nothing; make the report and its charts of the results kept")
    .option("--here", "measure in this process and nowhere else, as for a profile of it")
    .option("--folder <folder>", "where the report is", join(import.meta.dirname!, ".."))
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `\n${help(subjects)}`)
    .allowExcessArguments(false)
    .exitOverride();
  command.parse(args, { from: "user" });
  const values = command.opts<Values>();
  const chosen = command.args.map((name) => find(name, subjects, command));
  const named = chosen.length > 0;
  if (values.render === true && named) command.error("error: --render makes the whole report");
  if (values.here === true && chosen.length !== 1) command.error("error: --here needs one subject");
  return {
    subjects: named ? chosen : subjects.filter(({ long }) => long !== true),
    named,
    seconds: values.seconds,
    rounds: values.rounds,
    json: values.json === true,
    write: values.write ?? (!named && values.here !== true),
    render: values.render === true,
    here: values.here === true,
    folder: values.folder,
  };
}

function find(name: string, subjects: readonly Subject[], command: Command): Subject {
  const found = subjects.find((subject) => subject.name === name);
  if (found !== undefined) return found;
  const names = subjects.map((subject) => subject.name).join(", ");
  return command.error(`error: there is no subject ${JSON.stringify(name)}; there are ${names}`);
}

function help(subjects: readonly Subject[]): string {
  const width = Math.max(0, ...subjects.map(({ name }) => name.length));
  const line = ({ name, title, rig, long, extent: { seconds, rounds } }: Subject) => {
    const about = [
      `${seconds} s, ${rounds} rounds`,
      ...rig === "lab" ? ["with stock kernels"] : [],
      ...long === true ? ["only by its name"] : [],
    ];
    return `  ${name.padEnd(width)}  ${title} (${about.join("; ")})`;
  };
  return `Subjects:
${subjects.map(line).join("\n")}

Examples:
  deno task compare
      measure everything, and write bench/RESULTS.md
  deno task compare ${subjects[0]?.name ?? "SUBJECT"}
      one subject, as a table
  deno task compare ${subjects[0]?.name ?? "SUBJECT"} --seconds 60 --rounds 30 --write
      measure it better, and bring its part of bench/RESULTS.md up to date
  deno task compare ${subjects[0]?.name ?? "SUBJECT"} --json | jq .[0].report.measures

A ratio is made of the two sides of one round. Subjects that need a stock kernel are measured in
the lab (deno task lab) where this host's KVM can't run one. What's missing is installed by apt-get
where we are root, and named otherwise.

Exit status: 0 when everything was measured, 1 when something failed, 2 for wrong options. A goal
that is missed is no failure.
`;
}

/**
 * `deno task compare SUBJECT [--json] [--seconds N] [--rounds N]`: the same work under another monitor and
 * under denovisor, in the same run.
 * @module
 */
import { parseArgs } from "node:util";
import { compareExits, exitsTable } from "./exits.ts";
import { describeHost } from "./compare/host.ts";
import { compareIdle, idleTable } from "./idle.ts";
import { compareStart, startTable } from "./start.ts";
import { compareSpeed, speedTable, type Subject } from "./virtio_speed.ts";

/** How much a comparison is to measure. */
interface Extent {
  readonly seconds: number;
  readonly rounds: number;
  readonly onRound?: (done: number) => void;
}

/** What comes of one: for programs, and for people. */
interface Outcome {
  readonly result: object;
  readonly table: string;
}

/** What can be compared. */
const SUBJECTS: Readonly<Record<string, (extent: Extent) => Promise<Outcome>>> = {
  async exits(extent) {
    const result = await compareExits(extent);
    return { result, table: exitsTable(result) };
  },
  block: (extent) => compareDevices("block", extent),
  net: (extent) => compareDevices("net", extent),
  async idle(extent) {
    const result = await compareIdle(extent);
    return { result, table: idleTable(result) };
  },
  async start(extent) {
    const result = await compareStart(extent);
    return { result, table: startTable(result) };
  },
};

async function compareDevices(subject: Subject, extent: Extent): Promise<Outcome> {
  const result = await compareSpeed(subject, extent);
  return { result, table: speedTable(result) };
}

const names = Object.keys(SUBJECTS).join("|");
const USAGE = `usage: deno task compare ${names} [--json] [--seconds N] [--rounds N]`;
const USAGE_ERROR = 2;

/**
 * Runs one comparison.
 *
 * @returns the exit status
 */
async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "20" },
      rounds: { type: "string", default: "10" },
    },
  });
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  const [name] = positionals;
  const compare = Object.hasOwn(SUBJECTS, name) ? SUBJECTS[name] : undefined;
  const good = positionals.length === 1 && seconds > 0 && Number.isInteger(rounds) && rounds > 0;
  if (compare === undefined || !good) {
    complain(USAGE);
    return USAGE_ERROR;
  }
  const host = await describeHost();
  const progress = Deno.stderr.isTerminal() ? (done: number) => status(done, rounds) : undefined;
  const { result, table } = await compare({ seconds, rounds, onRound: progress });
  if (values.json) {
    print(JSON.stringify({ host, ...result }, null, 2));
  } else {
    for (const [name, value] of Object.entries(host)) print(`${name.padEnd(12)}${value}`);
    print(table);
  }
  return 0;
}

const encoder = new TextEncoder();

function print(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text}\n`));
}

function complain(text: string): void {
  Deno.stderr.writeSync(encoder.encode(`${text}\n`));
}

/** One line on the terminal, gone when all is done. */
function status(done: number, rounds: number): void {
  const text = done < rounds ? `round ${done} of ${rounds}` : "";
  Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${text}`));
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isUsage = "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    complain(isUsage ? `${error.message}\n${USAGE}` : `compare: ${error.message}`);
    Deno.exitCode = isUsage ? USAGE_ERROR : 1;
  }
}

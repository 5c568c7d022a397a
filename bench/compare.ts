/**
 * `deno task compare exits [--json] [--seconds N] [--rounds N]`: the same work under another monitor and
 * under denovisor, in the same run.
 * @module
 */
import { parseArgs } from "node:util";
import { compareExits, exitsTable } from "./exits.ts";
import { describeHost } from "./host.ts";

const USAGE = "usage: deno task compare exits [--json] [--seconds N] [--rounds N]";
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
  const good = positionals.length === 1 && positionals[0] === "exits" && seconds > 0 &&
    Number.isInteger(rounds) && rounds > 0;
  if (!good) {
    complain(USAGE);
    return USAGE_ERROR;
  }
  const host = await describeHost();
  const progress = Deno.stderr.isTerminal() ? (done: number) => status(done, rounds) : undefined;
  const result = await compareExits({ seconds, rounds, onRound: progress });
  if (values.json) {
    print(JSON.stringify({ host, ...result }, null, 2));
  } else {
    for (const [name, value] of Object.entries(host)) print(`${name.padEnd(12)}${value}`);
    print(exitsTable(result));
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

/**
 * Commands of a test run, with their output shown as it comes, and an end for those that stand still.
 * @module
 */
import { fileURLToPath } from "node:url";
import { EXECUTABLE_VARIABLE } from "../cli/process.ts";
import { TestLog } from "./test_log.ts";

/** The checkout that is tested. */
export const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** No test is silent for so long: a command that is stands still, which no test in it can notice. */
const STANDSTILL_MS = 5 * 60_000;

/** Variables for a command, beside our own. */
export type Environment = Readonly<Record<string, string>>;

/** How a command is run. */
export interface ShowOptions {
  readonly env?: Environment;
  /** How long it may take until it says something, in milliseconds. */
  readonly startMs?: number;
  /** What each of its lines begins with; with none, it has the output for itself. */
  readonly label?: string;
  /** Ends it, as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

/** How it came out. */
export interface Shown {
  readonly success: boolean;
  readonly log: TestLog;
}

const encoder = new TextEncoder();

/** Runs a command from the checkout's root on, with its output shown as it comes. */
export async function show(
  [program, ...args]: readonly string[],
  { env = {}, startMs = STANDSTILL_MS, label = "", signal }: ShowOptions = {},
): Promise<Shown> {
  const child = new Deno.Command(program, {
    args,
    cwd: CHECKOUT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // Without an executable, it's the source tree that is tested.
    env: { DENO_NO_UPDATE_CHECK: "1", [EXECUTABLE_VARIABLE]: "", ...env },
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch (error) {
      // It may have ended by itself at this very moment.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  let timer = setTimeout(end, startMs);
  const log = new TestLog();
  const follow = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>, log?: TestLog) => {
    const printer = new Printer(label);
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer);
      timer = setTimeout(end, STANDSTILL_MS);
      printer.print(text);
      log?.add(text);
    }
    printer.end();
  };
  try {
    await Promise.all([follow(child.stdout, log), follow(child.stderr)]);
    const { success } = await child.status;
    return { success, log };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** Prints pieces of text as they come; with a label, whole lines. */
class Printer {
  #rest = "";

  constructor(readonly label: string) {}

  print(text: string): void {
    if (this.label === "") return write(text);
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) write(`${this.label}${line}\n`);
  }

  end(): void {
    if (this.#rest !== "") this.print("\n");
  }
}

function write(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text));
}

/** Prints a line of the run's own, with room above. */
export function say(line: string): void {
  write(`\n${line}\n`);
}

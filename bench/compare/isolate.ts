/**
 * Measuring a subject in a process of its own: what another one has left in the heap or on the processor's queues
 * weighs on nothing, and what fails takes nothing else along. On hosts whose KVM runs no stock kernels, subjects that
 * need one are measured in the lab.
 * @module
 */
import { LAB_STATUS } from "../../tests/lab/errors.ts";
import { CHECKOUT } from "../../tests/lab/mod.ts";
import { tidily } from "./cleanup.ts";
import { type Kept, parseKept } from "./record.ts";
import type { Subject } from "./report.ts";

/** Memory for a guest beside the lab's own, a disk for what is too big for memory, and patience on a busy host. */
const LAB_OPTIONS = ["--memory", "6G", "--scratch", "8G", "--boot-timeout", "300"];
/** How often the lab is tried: its emulator now and then loses an interrupt, or crashes its kernel. */
const LAB_TRIES = 3;

/** What to measure, and by which program. */
export interface Job {
  readonly subject: Subject;
  readonly place: Kept["place"];
  /** The module that measures when it's told `--here`: bench/compare.ts, but in tests. */
  readonly entry: string;
  /** Further options for it. */
  readonly options: readonly string[];
}

/**
 * Measures.
 *
 * @param say tells people
 * @throws {Error} where nothing came of it; what was wrong stands on standard error by then
 */
export async function measureApart(job: Job, say: (text: string) => void): Promise<Kept> {
  const { subject: { name }, place } = job;
  for (let tries = 1;; tries++) {
    const { code, text } = await tidily((started) => run(commandOf(job), started));
    if (code === 0) {
      const [kept] = parseKept(text, `what measuring ${name} printed`);
      return kept;
    }
    const lab = place === "the lab" && (code === LAB_STATUS.timeout || code === LAB_STATUS.died);
    if (!lab || tries === LAB_TRIES) throw new Error(`measuring ${name} ended with status ${code}`);
    say(`${name}: the lab failed; once more`);
  }
}

/** The command line that measures. */
export function commandOf({ subject, place, entry, options }: Job): [string, ...string[]] {
  const deno = (...args: string[]): [string, ...string[]] => [
    ...[Deno.execPath(), "run", "-A", "--quiet"] as const,
    ...args,
  ];
  const measure = deno(entry, subject.name, "--here", "--json", ...options);
  if (place === "this machine") return measure;
  // Whoever leads the lab's session is hung up on when a terminal closes: a shell leads it.
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  return deno(`${CHECKOUT}/tests/lab/main.ts`, ...LAB_OPTIONS, "--", ...shell, ...measure);
}

/** Runs a command to its end; it has the terminal's keys and its standard error. @param started is told its process */
async function run([program, ...args]: [string, ...string[]], started: (pid: number) => void) {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  started(child.pid);
  const text = child.stdout.text();
  // What it started may hold its output open; that ends with the clearing up.
  const { code } = await child.status;
  return { code, text: code === 0 ? await text : "" };
}

/**
 * What processes cost whose guests have nothing to do: the kernel tells of their threads how much processor time they
 * took and how often they went to sleep. A guest that halts takes none of it.
 * @module
 */
import { LineReader } from "./line_reader.ts";

/** The line that is printed when all is started and idle (tests/payloads/native/idle.c). */
export const IDLE = "idle";
/** Until a monitor has done what comes after a start: compiling hot code, collecting garbage. */
const SETTLING_MS = 1000;
/** Who is not idle by then never is. */
const PATIENCE_MS = 120_000;

/** What processes did in some time. */
export interface Idleness {
  /** Processor time, in percent of one processor's. */
  readonly percent: number;
  /** How often a thread of them went to sleep, in a second. */
  readonly switches: number;
}

/** A command line. */
export type Command = readonly [string, ...string[]];

/**
 * Runs commands until each has printed {@linkcode IDLE}, watches them for a while, and ends them.
 *
 * @throws {Error} with what was printed, for one that does not become idle
 */
export async function measureIdle(
  commands: readonly Command[],
  seconds: number,
): Promise<Idleness> {
  await using stack = new AsyncDisposableStack();
  const children = commands.map((command) => stack.use(new IdleChild(command)));
  await Promise.all(children.map((child) => child.becomesIdle()));
  await pause(SETTLING_MS);
  const before = children.map(({ pid }) => readThreads(pid));
  const began = performance.now();
  await pause(seconds * 1000);
  const elapsed = (performance.now() - began) / 1000;
  const after = children.map(({ pid }) => readThreads(pid));
  let nanoseconds = 0;
  let switches = 0;
  for (const [i, threads] of after.entries()) {
    for (const [id, usage] of threads) {
      // What one that has ended meanwhile has used is not told.
      const earlier = before[i].get(id) ?? UNUSED;
      nanoseconds += usage.nanoseconds - earlier.nanoseconds;
      switches += usage.switches - earlier.switches;
    }
  }
  return { percent: nanoseconds / 1e9 / elapsed * 100, switches: switches / elapsed };
}

/** A process that is to become idle, until it's disposed of. */
export class IdleChild implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;

  constructor([program, ...args]: Command) {
    this.#child = new Deno.Command(program, {
      args,
      // What it reads as its standard input must not end.
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#lines = new LineReader(this.#child.stdout);
  }

  async becomesIdle(): Promise<void> {
    const timer = setTimeout(() => this.#kill(), PATIENCE_MS);
    const printed: string[] = [];
    try {
      // Consoles end their lines with a carriage return, too.
      while (printed.at(-1)?.trimEnd() !== IDLE) printed.push(await this.#lines.next("it"));
    } catch (error) {
      const text = printed.join("\n");
      throw new Error(`a guest did not become idle; it printed: ${text}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.#child.status;
    await this.#child.stdin.abort();
    await this.#lines.cancel();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a thread has used since it began. */
interface Usage {
  readonly nanoseconds: number;
  readonly switches: number;
}

/** A thread that has just begun. */
const UNUSED: Usage = { nanoseconds: 0, switches: 0 };

/** What the threads of a process have used, by their numbers (proc_pid_status(5), sched-stats.rst). */
function readThreads(pid: number): Map<string, Usage> {
  const threads = new Map<string, Usage>();
  const tasks = `/proc/${pid}/task`;
  for (const { name } of [...Deno.readDirSync(tasks)]) {
    try {
      const status = Deno.readTextFileSync(`${tasks}/${name}/status`);
      const [nanoseconds] = Deno.readTextFileSync(`${tasks}/${name}/schedstat`).split(" ");
      threads.set(name, {
        nanoseconds: Number(nanoseconds),
        switches: Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]),
      });
    } catch (error) {
      // It has ended since it was listed; the end of the process is told by its output.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return threads;
}

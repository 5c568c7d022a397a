/**
 * What a monitor costs whose guest has nothing to do, with a disk, a card and devices that wait for something to
 * happen: denovisor, and QEMU's microVM with the same guest (tests/payloads/native/idle.c).
 *
 * Each is a process of its own, from whose threads the kernel tells the processor time and how often they went to
 * sleep; a guest that halts takes none of it.
 * @module
 */
import { join } from "node:path";
import { TestTap } from "../devices/virtio/net/testing/taps.ts";
import { compile } from "../tests/payloads/compile.ts";
import { installedMonitors, type Monitor } from "./monitors/mod.ts";
import { type Spread, spread } from "./compare/statistics.ts";

/** What the program prints when it has started all devices. */
const IDLE = "idle\n";
/** Until a monitor has done what comes after a start: compiling hot code, collecting garbage. */
const SETTLING_MS = 1000;
const DISK_BYTES = 1 << 20;
/** A guest that is not idle by then never is. */
const PATIENCE_MS = 60_000;

/** What a process did in some time. */
export interface Idleness {
  /** Processor time, in percent of one processor's. */
  readonly percent: number;
  /** How often a thread of it went to sleep, in a second. */
  readonly switches: number;
}

/** How much to measure. */
export interface IdleOptions {
  /** How long to measure, all rounds together. */
  readonly seconds: number;
  /** How many times each side has its turn. */
  readonly rounds: number;
  /** Told when a round is done. */
  readonly onRound?: (done: number) => void;
}

/** One monitor's figures. */
export interface IdleCost {
  readonly percent: Spread;
  readonly switches: Spread;
}

/** What came of it. */
export interface IdleResult {
  readonly rounds: number;
  readonly monitors: Readonly<Record<string, IdleCost>>;
}

/** Measures. @throws {RootfsError} where gcc is not installed */
export async function compareIdle({ seconds, rounds, onRound }: IdleOptions): Promise<IdleResult> {
  const monitors = installedMonitors();
  const program = await compile("idle");
  const perSide = seconds / rounds / monitors.length;
  const folder = await Deno.makeTempDir({ prefix: "denovisor-idle-" });
  using tap = new TestTap();
  try {
    const disk = join(folder, "disk.img");
    await Deno.writeFile(disk, new Uint8Array(DISK_BYTES));
    const devices = { disk, tap: tap.name, idlers: true };
    const measured = new Map<Monitor, Idleness[]>(monitors.map((monitor) => [monitor, []]));
    for (let round = 0; round < rounds; round++) {
      for (const monitor of round % 2 === 0 ? monitors : monitors.toReversed()) {
        const command = monitor.command({ program, parameters: {}, devices });
        measured.get(monitor)!.push(await measureIdle(command, perSide));
      }
      onRound?.(round + 1);
    }
    return {
      rounds,
      monitors: Object.fromEntries([...measured].map(([{ name }, all]) => [name, {
        percent: spread(all.map(({ percent }) => percent)),
        switches: spread(all.map(({ switches }) => switches)),
      }])),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Runs a monitor with the idle program until that is idle, watches it for a while, and ends it.
 *
 * @throws {Error} with what was printed, for a guest that does not become idle
 */
export async function measureIdle(
  [program, ...args]: readonly [string, ...string[]],
  seconds: number,
): Promise<Idleness> {
  // What it reads as its standard input must not end.
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  try {
    await becomesIdle(child);
    await pause(SETTLING_MS);
    const before = readThreads(child.pid);
    const began = performance.now();
    await pause(seconds * 1000);
    const elapsed = (performance.now() - began) / 1000;
    const after = readThreads(child.pid);
    return {
      percent: (after.nanoseconds - before.nanoseconds) / 1e9 / elapsed * 100,
      switches: (after.switches - before.switches) / elapsed,
    };
  } finally {
    await child.stdin.close();
    child.kill("SIGKILL");
    await child.status;
    await child.stdout.cancel();
  }
}

async function becomesIdle(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.getReader();
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (!text.includes(IDLE)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the guest did not become idle; it printed: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the threads of a process have used since they began (proc_pid_status(5), sched-stats.rst). */
function readThreads(pid: number): { nanoseconds: number; switches: number } {
  let nanoseconds = 0;
  let switches = 0;
  const tasks = `/proc/${pid}/task`;
  for (const { name } of [...Deno.readDirSync(tasks)]) {
    const status = Deno.readTextFileSync(`${tasks}/${name}/status`);
    switches += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
    nanoseconds += Number(Deno.readTextFileSync(`${tasks}/${name}/schedstat`).split(" ")[0]);
  }
  return { nanoseconds, switches };
}

/** The result as a table for people. */
export function idleTable({ monitors, rounds }: IdleResult): string {
  const show = ({ median, min, max }: Spread, digits: number) => {
    const [a, b, c] = [median, min, max].map((value) => value.toFixed(digits));
    return `${a} (${b}–${c})`.padStart(28);
  };
  return [
    `${rounds} rounds; median (range) of rounds, of a processor's time and of a second`,
    "",
    `${"".padEnd(12)}${"processor time, %".padStart(28)}${"went to sleep, 1/s".padStart(28)}`,
    ...Object.entries(monitors).map(([name, { percent, switches }]) =>
      `${name.padEnd(12)}${show(percent, 3)}${show(switches, 1)}`
    ),
  ].join("\n");
}

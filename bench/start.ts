/**
 * How long a monitor takes from its exec to its guest's first byte, and to its own end: denovisor as an executable and
 * from the source tree, and QEMU's microVM, each with the same guest (tests/payloads/pvh.s), which writes to COM1 at
 * once and ends by the debug exit port.
 *
 * What is compared is the two sides of one round, since what else the host does changes from one to the next; the order
 * alternates.
 * @module
 */
import { assemble } from "../tests/payloads/assemble.ts";
import { findCommand } from "../src/rootfs/command.ts";
import { SOURCE_TREE } from "../tests/cli/process.ts";
import { denovisorAs, type Guest, type Monitor, qemu } from "./monitors/mod.ts";
import { type Spread, spread } from "./compare/statistics.ts";

/** Where `deno task compile` puts the executable, from the root on. */
const EXECUTABLE = "dist/denovisor";
/** What the guest ends with. */
const GUEST_STATUS = 33;
const QEMU = "QEMU microvm";
/** A guest that has not ended by then never does. */
const PATIENCE_MS = 60_000;

/** One start, in milliseconds since the monitor was spawned. */
export interface Start {
  readonly firstByte: number;
  readonly exit: number;
}

/** Several starts. */
export interface Starts {
  readonly firstByte: Spread;
  readonly exit: Spread;
}

/** How much to measure. */
export interface StartOptions {
  /** How many times each monitor has its turn. */
  readonly rounds: number;
  /** Told when a round is done. */
  readonly onRound?: (done: number) => void;
}

/** What came of it. */
export interface StartResult {
  readonly rounds: number;
  readonly milliseconds: Readonly<Record<string, Starts>>;
  /** By QEMU's, round by round; empty where there is no QEMU. */
  readonly ratios: Readonly<Record<string, Starts>>;
  /** What was left out, and how to have it. */
  readonly notes: readonly string[];
}

/**
 * Measures.
 *
 * @param path the executable's
 * @throws {AssetError} where binutils are not installed
 * @throws {Error} for a guest that fails
 */
export async function compareStart(
  { rounds, onRound }: StartOptions,
  path: string = new URL(`../${EXECUTABLE}`, import.meta.url).pathname,
): Promise<StartResult> {
  const { path: program } = await assemble("pvh", { defines: { NO_RSDP: 1 } });
  const guest = { program, parameters: {}, devices: {} };
  const hasExecutable = await exists(path);
  const hasQemu = findCommand("qemu-system-x86_64") !== undefined;
  const ours = {
    ...hasExecutable ? { "the executable": denovisorAs([path]) } : {},
    "deno run": denovisorAs(SOURCE_TREE),
  };
  const monitors = Object.entries({ ...ours, ...hasQemu ? { [QEMU]: qemu } : {} });
  // The first start of each fills the host's page cache.
  for (const [, monitor] of monitors) await measureStart(monitor, guest);
  const measured: Record<string, Start[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, monitor] of round % 2 === 0 ? monitors : monitors.toReversed()) {
      (measured[name] ??= []).push(await measureStart(monitor, guest));
    }
    onRound?.(round + 1);
  }
  const ratios = (starts: readonly Start[]) =>
    starts.map(({ firstByte, exit }, round) => {
      const theirs = measured[QEMU][round];
      return { firstByte: firstByte / theirs.firstByte, exit: exit / theirs.exit };
    });
  return {
    rounds,
    milliseconds: Object.fromEntries(
      monitors.map(([name]) => [name, summarize(measured[name])]),
    ),
    ratios: !hasQemu ? {} : Object.fromEntries(
      Object.keys(ours).map((name) => [name, summarize(ratios(measured[name]))]),
    ),
    notes: [
      ...hasExecutable ? [] : [`There is no ${EXECUTABLE}: deno task compile builds it.`],
      ...hasQemu ? [] : ["There is no QEMU: apt-get install qemu-system-x86 has it."],
    ],
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function summarize(starts: readonly Start[]): Starts {
  return {
    firstByte: spread(starts.map(({ firstByte }) => firstByte)),
    exit: spread(starts.map(({ exit }) => exit)),
  };
}

/** Starts a monitor once. @throws {Error} with what it said, for one that does not run the guest to its end */
export async function measureStart(monitor: Monitor, guest: Guest): Promise<Start> {
  const [program, ...args] = monitor.command(guest);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const began = performance.now();
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  let firstByte: number | undefined;
  for await (const _chunk of child.stdout) firstByte ??= performance.now() - began;
  const { code } = await child.status;
  const exit = performance.now() - began;
  const said = await child.stderr.text();
  if (firstByte !== undefined && code === monitor.statusOf(GUEST_STATUS)) {
    return { firstByte, exit };
  }
  throw new Error(`${[program, ...args].join(" ")} ended with status ${code}: ${said}`);
}

/** The result as a table for people. */
export function startTable({ rounds, milliseconds, ratios, notes }: StartResult): string {
  const WIDTHS = [20, 26, 26, 24, 24] as const;
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(WIDTHS[i]) : cell.padStart(WIDTHS[i])).join("")
      .trimEnd();
  const show = (value: Spread | undefined, digits: number) => {
    if (value === undefined) return "";
    const [median, min, max] = [value.median, value.min, value.max].map((n) => n.toFixed(digits));
    return `${median} (${min}–${max})`;
  };
  return [
    `${rounds} rounds; median (range), from the exec on`,
    "",
    row(["", "first byte, ms", "exit, ms", "first byte by QEMU's", "exit by QEMU's"]),
    ...Object.entries(milliseconds).map(([name, { firstByte, exit }]) =>
      row([
        name,
        show(firstByte, 1),
        show(exit, 1),
        show(ratios[name]?.firstByte, 2),
        show(ratios[name]?.exit, 2),
      ])
    ),
    ...notes.length === 0 ? [] : ["", ...notes],
  ].join("\n");
}

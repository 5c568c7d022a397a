/**
 * How long a monitor takes from its exec to its guest's first byte, and to its own end: each with the same guest
 * (tests/payloads/pvh.s), which writes to COM1 at once and ends by the debug exit port.
 *
 * A turn is as many starts as there is time for, at least one, and its value their median.
 * @module
 */
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { spread } from "../compare/statistics.ts";
import {
  denovisorAs,
  type Guest,
  type Monitor,
  monitorsFor,
  qemu,
  typed,
} from "../monitors/mod.ts";
import { SOURCE_TREE } from "../../tests/cli/process.ts";
import { assemble } from "../../tests/payloads/assemble.ts";

/** Where `deno task compile` puts the executable. */
const EXECUTABLE = new URL("../../dist/denovisor", import.meta.url).pathname;
/** Our side as the source tree, where the executable is there too. */
const SOURCES = `${OURS}, deno run`;
/** What the guest ends with. */
const GUEST_STATUS = 33;
/** A guest that has not ended by then never does. */
const PATIENCE_MS = 60_000;
/** The guest does without ACPI, as not all monitors have it. */
const PAYLOAD = { defines: { NO_RSDP: 1 } } as const;
/** Of QEMU's time. */
const GOAL = 0.75;

export const start: Subject = {
  name: "start",
  title: "Start of a tiny guest",
  about:
    "From a monitor's exec to the first byte that its guest writes to the serial port, and to " +
    "the monitor's end: a PVH guest that says a few lines at once and ends by the debug exit port.",
  rig: "direct",
  needs: { as: "binutils", "qemu-system-x86_64": "qemu-system-x86" },
  extent: { seconds: 30, rounds: 20 },
  measure: (extent) => measureStarts(extent, EXECUTABLE),
};

/** One start, in milliseconds since the monitor was spawned. */
export interface Start {
  readonly firstByte: number;
  readonly exit: number;
}

/**
 * Measures.
 *
 * @param executable ours; where there's no such file, the source tree is our side
 * @throws {AssetError} where binutils are not installed
 * @throws {Error} for a monitor whose guest does not end as it should
 */
export async function measureStarts(extent: Extent, executable: string): Promise<Report> {
  const { path: program } = await assemble("pvh", PAYLOAD);
  const guest: Guest = { program, parameters: {}, devices: {} };
  const { monitors: [, ...peers], notes } = monitorsFor(guest);
  const sources = denovisorAs(SOURCE_TREE);
  const isBuilt = await exists(executable);
  const sides: Record<string, Monitor> = isBuilt
    ? { [OURS]: denovisorAs([executable]), [SOURCES]: sources }
    : { [OURS]: sources };
  for (const peer of peers) sides[peer.name] = peer;
  const each = Object.entries(sides);
  // The first start of each fills the host's page cache.
  for (const [, monitor] of each) await measureStart(monitor, guest);
  const seconds = extent.seconds / extent.rounds / each.length;
  const rounds = await takeTurns(
    Object.fromEntries(each.map(([name, monitor]) => [name, () => turn(monitor, guest, seconds)])),
    extent,
  );
  const names = { [program]: "$GUEST", [executable]: "dist/denovisor" };
  return {
    measures: measures(rounds, picked(qemu.name in sides)),
    commands: Object.fromEntries(
      each.map(([name, monitor]) => [name, typed(monitor, guest, names)]),
    ),
    notes: [
      ...notes,
      ...isBuilt ? [] : [
        `There is no dist/denovisor, so ${OURS} is the source tree: deno task compile builds it.`,
      ],
    ],
  };
}

function picked(hasQemu: boolean): Picked<Start>[] {
  const goals = hasQemu ? [{ by: qemu.name, atMost: GOAL }] : [];
  const common = { unit: "ms", better: "less" as const, goals };
  return [
    { ...common, name: "exec to first byte", pick: ({ firstByte }) => firstByte },
    { ...common, name: "exec to exit", pick: ({ exit }) => exit },
  ];
}

/** Starts a monitor for some seconds. */
async function turn(monitor: Monitor, guest: Guest, seconds: number): Promise<Start> {
  const starts: Start[] = [];
  const end = performance.now() + seconds * 1000;
  do starts.push(await measureStart(monitor, guest)); while (performance.now() < end);
  return {
    firstByte: spread(starts.map(({ firstByte }) => firstByte)).median,
    exit: spread(starts.map(({ exit }) => exit)).median,
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

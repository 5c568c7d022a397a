/**
 * How long a vCPU's exit takes: denovisor's run loop beside a loop in C, and denovisor as its users start it beside
 * QEMU's microVM.
 *
 * The loops run one guest (exit_turns.ts). The monitors run another (tests/payloads/native/exit_times.c), which finds
 * its devices and tells its percentiles itself: COM1's scratch register, and two registers of a virtio-mmio device, each
 * a variable behind its device's dispatch in either monitor.
 * @module
 */
import { compile } from "../../tests/payloads/compile.ts";
import {
  type Extent,
  type Goal,
  type Measure,
  OURS,
  type Report,
  type Subject,
} from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { PERCENTILE_NAMES, type PercentileName, type Percentiles } from "../compare/statistics.ts";
import { ExitSides, type ExitTurn, exitWork, KINDS } from "../exit_turns.ts";
import {
  type Guest,
  guestTscKhz,
  type Monitor,
  monitorsFor,
  qemu,
  runGuest,
  typed,
} from "../monitors/mod.ts";

const C = "C";
/** What the loop in C may be outdone by, in each percentile. */
const BY_C: Readonly<Record<PercentileName, number>> = { p50: 1.05, p99: 1.2, "p99.9": 1.5 };
/** What the guest of the monitors calls the kinds. */
const GUEST_KINDS = ["port_write", "port_read", "mmio_read", "mmio_write"] as const;
/** Between a monitor's start and its end, beside what is timed. */
const PATIENCE_MS = 60_000;

export const exits: Subject = {
  name: "exits",
  title: "vCPU exits",
  about:
    "From an access's instruction to the next one, timed in the guest by the TSC. Beside C: a " +
    "machine's run loop, bus and devices, and a loop on KVM_RUN in C, with the same guest; the " +
    "devices are a byte each. Beside QEMU: both monitors as they are started by users, with the " +
    "same guest; ports are COM1's scratch register, MMIO reads the magic value of a virtio-mmio " +
    "device and MMIO writes its DeviceFeaturesSel.",
  rig: "direct",
  needs: { gcc: "gcc", as: "binutils", "qemu-system-x86_64": "qemu-system-x86" },
  extent: { seconds: 24, rounds: 12 },
  measure: (extent) => measureExits(extent),
};

/** What both parts of this subject are made of. @param warmUp exits of each kind that are not timed */
export async function measureExits(extent: Extent, warmUp?: number): Promise<Report> {
  const half = { ...extent, seconds: extent.seconds / 2, onRound: undefined };
  const loops = await measureLoops(half, warmUp);
  const monitors = await measureMonitors({ ...half, onRound: extent.onRound }, warmUp);
  return {
    measures: [...loops.measures, ...monitors.measures],
    commands: { ...loops.commands, ...monitors.commands },
    notes: [...loops.notes, ...monitors.notes],
  };
}

/** The run loop and the loop in C. */
async function measureLoops(extent: Extent, warmUp?: number): Promise<Report> {
  await using sides = await ExitSides.create();
  const work = exitWork(extent.seconds / extent.rounds / 2, 1, warmUp);
  const rounds = await takeTurns({
    [OURS]: () => sides.denovisor(work),
    [C]: () => sides.c(work),
  }, extent);
  return {
    measures: measures(
      rounds,
      picked("", (turn: ExitTurn, kind) => turn[kind].times, (name) => [{
        by: C,
        atMost: BY_C[name],
      }]),
    ),
    commands: { [C]: sides.cCommand(work) },
    notes: [
      `Beside C, ${work.count} exits of each kind in each turn; ` +
      `denovisor is timed after ${work.warmUp}.`,
    ],
  };
}

/** The monitors. */
async function measureMonitors(extent: Extent, warmUp?: number): Promise<Report> {
  const program = await compile("exit_times");
  const devices = { idlers: true };
  const { monitors, notes } = monitorsFor({ program, parameters: {}, devices });
  const work = exitWork(extent.seconds / extent.rounds / monitors.length, 1, warmUp);
  const guest: Guest = {
    program,
    parameters: { count: work.count, warm_up: work.warmUp },
    devices,
  };
  const khz = guestTscKhz();
  const timeoutMs = PATIENCE_MS + 2000 * extent.seconds / extent.rounds;
  const turn = async (monitor: Monitor) =>
    readGuest(await runGuest(monitor, guest, timeoutMs), khz);
  const rounds = await takeTurns<readonly Percentiles[]>(
    Object.fromEntries(monitors.map((monitor) => [monitor.name, () => turn(monitor)])),
    extent,
  );
  const goals = qemu.name in rounds ? [{ by: qemu.name, atMost: 1 }] : [];
  const picks = picked(
    ", whole monitor",
    (turn: readonly Percentiles[], kind) => turn[kind],
    () => goals,
  );
  return {
    measures: measures(rounds, picks),
    commands: Object.fromEntries(
      monitors.map((monitor) => [monitor.name, typed(monitor, guest, { [program]: "$GUEST" })]),
    ),
    notes: [
      `Of whole monitors, ${work.count} exits of each kind in each turn, after ${work.warmUp}.`,
      ...notes,
    ],
  };
}

/** A measure of each percentile of each kind. */
function picked<T>(
  what: string,
  of: (turn: T, kind: number) => Percentiles,
  goals: (name: PercentileName) => readonly Goal[],
): Picked<T>[] {
  return KINDS.flatMap((kind, i) =>
    PERCENTILE_NAMES.map((name): Picked<T> => ({
      name: `${kind}${what}, ${name}`,
      unit: "µs",
      better: "less" satisfies Measure["better"],
      goals: goals(name),
      pick: (turn) => of(turn, i)[name],
    }))
  );
}

/** What the guest printed, `NAME=P50/P99/P99.9` in ticks, in microseconds. @throws {Error} where that is missing */
function readGuest(text: string, tscKhz: number): readonly Percentiles[] {
  return GUEST_KINDS.map((kind) => {
    const match = new RegExp(`^${kind}=(\\d+)/(\\d+)/(\\d+)$`, "m").exec(text);
    if (match === null) throw new Error(`the guest did not tell ${kind}; it printed: ${text}`);
    const [p50, p99, p999] = match.slice(1).map((ticks) => Number(ticks) * 1e3 / tscKhz);
    return { p50, p99, "p99.9": p999 };
  });
}

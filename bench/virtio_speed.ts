/**
 * How fast virtio devices are under denovisor and under QEMU: the same driver in the same guest, turn about.
 *
 * The guests (tests/payloads/native/block_speed.c and net_speed.c) run at full speed on any KVM, and count what they
 * get done in a time that they take with the time-stamp counter. The disk is a file that the host has cached whole; the
 * card is on a tap, with a program in C behind it (net_peer.c).
 *
 * What is compared is the two sides of one round, since what else the host does changes from one to the next; the order
 * alternates.
 * @module
 */
import { join } from "node:path";
import { TestTap } from "../devices/virtio/net/testing/taps.ts";
import { run } from "../src/rootfs/command.ts";
import { compile } from "../tests/payloads/compile.ts";
import {
  type Devices,
  guestTscKhz,
  installedMonitors,
  type Monitor,
  runGuest,
} from "./monitors/mod.ts";
import { type Spread, spread } from "./compare/statistics.ts";

/** What a subject measures: the guest's name for it, and how it's told to people. */
interface Kind {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  /** Units for each thing that is done. */
  readonly scale?: number;
}

const MIB_PER_PIECE = 1;
const GIGABITS_PER_SEGMENT = 65549 * 8 / 1e9;

/** The subjects, each with its kinds in the order in which the guest times them. */
export const SUBJECTS = {
  block: [
    { key: "random_read_1", name: "4 KiB random reads, one at a time", unit: "1/s" },
    { key: "random_read_32", name: "4 KiB random reads, 32 at a time", unit: "1/s" },
    { key: "read_1m", name: "1 MiB reads", unit: "MiB/s", scale: MIB_PER_PIECE },
    { key: "write_1m", name: "1 MiB writes", unit: "MiB/s", scale: MIB_PER_PIECE },
  ],
  net: [
    { key: "transmit_64", name: "64-byte packets to the tap", unit: "1/s" },
    {
      key: "transmit_64k",
      name: "64 KiB segments to the tap",
      unit: "Gbit/s",
      scale: GIGABITS_PER_SEGMENT,
    },
    { key: "receive_64", name: "64-byte packets from the tap", unit: "1/s" },
    { key: "round_trip_64", name: "64-byte round trips", unit: "1/s" },
  ],
} as const satisfies Record<string, readonly Kind[]>;

/** The name of a subject. */
export type Subject = keyof typeof SUBJECTS;

/** How much to measure. */
export interface SpeedOptions {
  /** About how long to measure, all rounds together, without starts and warm-ups. */
  readonly seconds: number;
  /** How many times each side has its turn. */
  readonly rounds: number;
  /** Told when a round is done. */
  readonly onRound?: (done: number) => void;
}

/** One kind of work. */
export interface Speeds {
  readonly unit: string;
  readonly denovisor: Spread;
  /** Absent where there's no QEMU. */
  readonly qemu?: Spread;
  /** denovisor's by QEMU's, round by round. */
  readonly ratio?: Spread;
}

/** What came of it. */
export interface SpeedResult {
  readonly rounds: number;
  readonly kinds: Readonly<Record<string, Speeds>>;
}

const DISK_BYTES = 64 << 20;
/** For a start and an end on a busy host, beside what is measured. */
const PATIENCE_MS = 60_000;

/** How often something was done in a second, by the guest's name for it. */
type Rates = Readonly<Record<string, number>>;

/**
 * Measures.
 *
 * @throws {RootfsError} where gcc is not installed
 * @throws {CommandError} for a guest that fails
 */
export async function compareSpeed(subject: Subject, options: SpeedOptions): Promise<SpeedResult> {
  const { seconds, rounds } = options;
  const kinds: readonly Kind[] = SUBJECTS[subject];
  const monitors = installedMonitors();
  const perKind = seconds / rounds / monitors.length / kinds.length;
  const tscKhz = guestTscKhz();
  const program = await compile(`${subject}_speed`);
  const parameters = { ticks: Math.round(perKind * tscKhz * 1000) };
  const timeoutMs = PATIENCE_MS + 2000 * perKind * kinds.length;
  const measured = new Map<Monitor, Rates[]>(monitors.map((monitor) => [monitor, []]));
  const measure: Measure = async (devices, check) => {
    const guest = { program, parameters, devices };
    for (let round = 0; round < rounds; round++) {
      for (const monitor of round % 2 === 0 ? monitors : monitors.toReversed()) {
        const text = await runGuest(monitor, guest, timeoutMs);
        check(text);
        measured.get(monitor)!.push(readRates(kinds, text, tscKhz));
      }
      options.onRound?.(round + 1);
    }
  };
  await (subject === "block" ? withDisk(measure) : withTap(measure));
  return { rounds, kinds: summarize(kinds, [...measured.values()]) };
}

/** Has every side do its work in every round; `check` is given what each guest prints. */
type Measure = (devices: Devices, check: (text: string) => void) => Promise<void>;

/** With a disk whose whole content lies in the host's cache. */
async function withDisk(measure: Measure): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-block-" });
  try {
    const disk = join(folder, "disk.img");
    await Deno.writeFile(disk, new Uint8Array(DISK_BYTES).fill(0xa5));
    await measure({ disk }, () => {});
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** With a tap, and the program on its other side. */
async function withTap(measure: Measure): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-net-" });
  using tap = new TestTap();
  let peer: Deno.ChildProcess | undefined;
  try {
    const program = join(folder, "net_peer");
    const source = join(import.meta.dirname!, "net_peer.c");
    await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
    peer = new Deno.Command(program, { args: [tap.name], stdout: "piped" }).spawn();
    // Its line says that it listens.
    await peer.stdout.getReader().read();
    let before = packetsOf(tap);
    await measure({ tap: tap.name }, (text) => {
      const sent = Number(/^sent=(\d+)$/m.exec(text)?.[1]);
      const seen = packetsOf(tap);
      if (!(seen - before >= sent)) {
        throw new Error(`the guest sent ${sent} packets, and the host saw ${seen - before}`);
      }
      before = seen;
    });
  } finally {
    peer?.kill();
    await peer?.status;
    await Deno.remove(folder, { recursive: true });
  }
}

/** How many packets the host has had from a tap. */
function packetsOf(tap: TestTap): number {
  return Number(Deno.readTextFileSync(`/sys/class/net/${tap.name}/statistics/rx_packets`));
}

/** The guest's lines `NAME=COUNT/TICKS`, as units in a second. */
function readRates(kinds: readonly Kind[], text: string, tscKhz: number): Rates {
  return Object.fromEntries(kinds.map(({ key, scale = 1 }) => {
    const match = new RegExp(`^${key}=(\\d+)/(\\d+)$`, "m").exec(text);
    if (match === null) throw new Error(`the guest did not tell ${key}; it printed: ${text}`);
    return [key, scale * Number(match[1]) / Number(match[2]) * tscKhz * 1000];
  }));
}

function summarize(
  kinds: readonly Kind[],
  [ours, theirs]: readonly (readonly Rates[])[],
): SpeedResult["kinds"] {
  return Object.fromEntries(kinds.map(({ key, name, unit }) => {
    const a = ours.map((rates) => rates[key]);
    if (theirs === undefined) return [name, { unit, denovisor: spread(a) }];
    const b = theirs.map((rates) => rates[key]);
    const ratio = spread(a.map((rate, round) => rate / b[round]));
    return [name, { unit, denovisor: spread(a), qemu: spread(b), ratio }];
  }));
}

/** The result as a table for people. */
export function speedTable({ kinds, rounds }: SpeedResult): string {
  const WIDTHS = [36, 8, 32, 32, 22] as const;
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(WIDTHS[i]) : cell.padStart(WIDTHS[i])).join("");
  const show = (value: Spread | undefined, digits = 4) => {
    if (value === undefined) return "not installed";
    const [median, min, max] = [value.median, value.min, value.max].map((n) => figure(n, digits));
    return `${median} (${min}–${max})`;
  };
  return [
    `${rounds} rounds; median (range) of rounds, and denovisor by QEMU: more is better`,
    "",
    row(["", "", "denovisor", "QEMU microvm", "ratio"]),
    ...Object.entries(kinds).map(([name, { unit, denovisor, qemu, ratio }]) =>
      row([name, unit, show(denovisor), show(qemu), ratio === undefined ? "" : show(ratio, 3)])
    ),
  ].join("\n");
}

/** A number with so many significant digits and no exponent. */
function figure(value: number, digits: number): string {
  return Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 3 });
}

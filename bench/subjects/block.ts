/**
 * How fast disks are under denovisor and under other monitors: the same driver in the same guest, on the same file.
 *
 * The guest (tests/payloads/native/block_speed.c) runs at full speed on any KVM. In each run, when the clock doesn't run,
 * it looks at what it reads, and writes half of the disk from end to end with a mark of that run, which is looked at here.
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Extent, Report, Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { numberIn, type Rates, SpeedGuest } from "../device_speed.ts";
import { type Monitor, monitorsFor, typed } from "../monitors/mod.ts";
import { EINVAL, Fd, O_DIRECT, O_RDONLY, SysError } from "../../src/ffi/mod.ts";

/** The guest's kinds of work, in its order. */
const KINDS = ["random_read_1", "random_read_32", "read_1m", "write_1m"] as const;
type BlockRates = Rates<typeof KINDS[number]>;

/** What a turn gives: the rates by the way to the disk. O_DIRECT is left out where the file system has none. */
interface Turn {
  readonly cached: BlockRates;
  readonly direct?: BlockRates;
}

const QEMU = "QEMU";
const GOALS = [{ by: QEMU, atLeast: 1.1 }];

/** Reads are of the first half of the disk, writes go to the second. */
const HALF = 32 << 20;
const WORD = 8;

export const block: Subject = {
  name: "block",
  title: "Disks",
  about: "Random reads of 4 KiB, one and 32 at a time, and reads and writes of 1 MiB one behind " +
    "the other, two at a time, by a guest that drives its disk natively; through the host's page " +
    "cache, which has the whole file, and past it (O_DIRECT).",
  rig: "direct",
  needs: { "gcc": "gcc", "qemu-system-x86_64": "qemu-system-x86" },
  extent: { seconds: 32, rounds: 5 },
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-block-" });
  try {
    const path = join(folder, "disk.img");
    await Deno.writeFile(path, content(0, 2 * HALF, 0));
    const hasDirect = takesDirect(path);
    const kept = { program: "", parameters: {}, devices: { disk: path } };
    const { monitors, notes } = monitorsFor(kept);
    const runs = monitors.length * (hasDirect ? 2 : 1);
    const seconds = extent.seconds / extent.rounds / runs / KINDS.length;
    const speed = await SpeedGuest.build("block_speed", KINDS, seconds);
    const guest = (directDisk: boolean, mark: number) =>
      speed.with({ devices: { disk: path, directDisk }, hugePages: true }, { mark });
    let mark = 0;
    const run = async (monitor: Monitor, direct: boolean) => {
      const text = await speed.run(monitor, guest(direct, ++mark));
      check(path, numberIn(text, "written"), mark);
      return speed.rates(text);
    };
    const turn = async (monitor: Monitor): Promise<Turn> => ({
      cached: await run(monitor, false),
      ...hasDirect ? { direct: await run(monitor, true) } : {},
    });
    const sides = monitors.map((monitor) => [monitor.name, () => turn(monitor)] as const);
    const rounds = await takeTurns<Turn>(Object.fromEntries(sides), extent);
    const command = (monitor: Monitor, direct: boolean) =>
      typed(monitor, guest(direct, 1), { [guest(direct, 1).program]: "$GUEST", [path]: "$DISK" });
    return {
      measures: measures(rounds, [
        ...picked("page cache", ({ cached }) => cached),
        ...hasDirect ? picked("O_DIRECT", ({ cached, direct = cached }) => direct) : [],
      ]),
      commands: Object.fromEntries(monitors.map((monitor) => [
        monitor.name,
        [false, ...hasDirect ? [true] : []].map((direct) => command(monitor, direct)).join("; "),
      ])),
      notes: [...notes, ...diskNotes(hasDirect)],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function picked(way: string, rates: (turn: Turn) => BlockRates): Picked<Turn>[] {
  const goals = GOALS;
  const better = "more";
  const each = (name: string, kind: typeof KINDS[number], unit: string): Picked<Turn> => ({
    name: `${way}: ${name}`,
    unit,
    better,
    goals,
    pick: (turn) => rates(turn)[kind],
  });
  return [
    each("4 KiB random reads, one at a time", "random_read_1", "1/s"),
    each("4 KiB random reads, 32 at a time", "random_read_32", "1/s"),
    each("1 MiB reads", "read_1m", "MiB/s"),
    each("1 MiB writes", "write_1m", "MiB/s"),
  ];
}

function diskNotes(hasDirect: boolean): string[] {
  const folder = Deno.env.get("TMPDIR") ?? "/tmp";
  return hasDirect
    ? [
      `The disk is a file in ${folder} (TMPDIR names another folder). With O_DIRECT the host's own disk has its share.`,
    ]
    : [
      `Without O_DIRECT: the file system of ${folder} has none; set TMPDIR to a folder on one that has.`,
    ];
}

/** Whether the file system lets a file be opened to pass by its cache. */
function takesDirect(path: string): boolean {
  try {
    Fd.open(path, O_RDONLY | O_DIRECT).close();
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === EINVAL) return false;
    throw error;
  }
}

/** What the guest has at a place of its disk: each 8 bytes say how many such words come before, with bits turned over. */
function content(place: number, bytes: number, turned: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(bytes / 4);
  const first = place / WORD;
  const low = turned === 0 ? 0 : -1;
  for (let i = 0; i < words.length; i += 2) {
    words[i] = first + i / 2 ^ low;
    words[i + 1] = turned;
  }
  return new Uint8Array(words.buffer);
}

/**
 * Looks at what a guest says that it has written, and has the host write it out: the next run finds nothing to be done.
 *
 * @throws {Error} for something else
 */
function check(path: string, written: number, mark: number): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const wanted = content(HALF, HALF, ~mark);
  const found = new Uint8Array(HALF);
  file.seekSync(HALF, Deno.SeekMode.Start);
  for (let at = 0; at < HALF;) {
    const got = file.readSync(found.subarray(at));
    if (got === null) throw new Error(`the disk ends after ${HALF + at} bytes`);
    at += got;
  }
  if (written !== HALF || Buffer.compare(found, wanted) !== 0) {
    throw new Error(`of ${HALF} bytes the guest has written ${written}, or others than it says`);
  }
  file.syncDataSync();
}

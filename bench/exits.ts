/**
 * How long a vCPU's exit takes under denovisor, and under a loop in C: the same guest, turn about.
 *
 * The guest (tests/payloads/exit_latency.s) times each access itself with the time-stamp counter, so both
 * sides are measured alike, from the instruction to the next. Under denovisor the exit goes the way of
 * every machine's: a vCPU's Worker, its run loop, the bus with the devices of a machine on it, a device
 * (the POST code port, and a latch among the memory addresses), which with one vCPU needs no lock. The
 * loop in C (exit_loop.c) answers in place.
 *
 * Each round starts each side afresh, warms it up and then times. What is compared is the two sides of
 * one round, since what else the host does changes from one to the next; the order alternates.
 * @module
 */
import { join } from "node:path";
import type { VcpuStop } from "../src/vcpu/mod.ts";
import { run } from "../src/rootfs/command.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS, PORT } from "./exit_guest.ts";
import type { ExitJob } from "./exit_run_loop.ts";
import {
  PERCENTILE_NAMES,
  type PercentileName,
  type Percentiles,
  percentiles,
  type Spread,
  spread,
} from "./compare/statistics.ts";

/** The kinds of accesses, in the order in which the guest times them. */
export const KINDS = ["port write", "port read", "MMIO read", "MMIO write"] as const;

/** What the payload and exit_loop.c have these values for too. */
const PARAMETERS = 0x1000;
const SAMPLES = 0x10_0000;
const STATUS = 80;

/** How long one exit takes at most, as a first guess of how many fit into the time. */
const EXIT_SECONDS = 20e-6;
/** Enough for the compiler of hot JavaScript to have done its work. */
const WARM_UP = 10_000;
/** What p99.9 needs to mean anything. */
const FEWEST = 2000;

/** How much to measure. */
export interface ExitsOptions {
  /** About how long to measure, all rounds together. */
  readonly seconds: number;
  /** How many times each side has its turn. */
  readonly rounds: number;
  /** Exits of each kind before the first that is timed; enough for a warm run loop by default. */
  readonly warmUp?: number;
  /** Told when a round is done. */
  readonly onRound?: (done: number) => void;
}

/** One percentile of one kind of access. */
export interface Comparison {
  /** Nanoseconds. */
  readonly denovisor: Spread;
  /** Nanoseconds. */
  readonly c: Spread;
  /** denovisor's by C's, round by round. */
  readonly ratio: Spread;
}

/** What came of it. */
export interface ExitsResult {
  /** Timed exits of each kind in each round. */
  readonly count: number;
  readonly rounds: number;
  readonly kinds: Readonly<Record<string, Readonly<Record<PercentileName, Comparison>>>>;
}

/**
 * Measures.
 *
 * @throws {RootfsError} where gcc or binutils is not installed
 */
export async function compareExits(options: ExitsOptions): Promise<ExitsResult> {
  const { rounds, warmUp = WARM_UP } = options;
  const perSide = options.seconds / rounds / 2 / KINDS.length / EXIT_SECONDS;
  const count = Math.max(Math.round(perSide - warmUp), FEWEST);
  const folder = await Deno.makeTempDir({ prefix: "denovisor-exits-" });
  try {
    const cLoop = join(folder, "exit_loop");
    const source = join(import.meta.dirname!, "exit_loop.c");
    await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", cLoop, source]);
    const payload = await assemble("exit_latency", {
      format: "flat",
      address: PAYLOAD_ADDRESS,
      defines: { PORT, DEVICE },
    });
    const sides = {
      denovisor: () => timeDenovisor(payload.path, count, warmUp),
      c: () => timeC(cLoop, payload.path, count, warmUp),
    };
    const measured: Record<keyof typeof sides, Percentiles[][]> = { denovisor: [], c: [] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? ["denovisor", "c"] as const : ["c", "denovisor"] as const;
      for (const side of order) measured[side].push(perKind(await sides[side](), count));
      options.onRound?.(round + 1);
    }
    return { count, rounds, kinds: summarize(measured.denovisor, measured.c) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Nanoseconds of each exit, kind after kind. */
type Times = Float64Array;

/** One turn of ours. */
async function timeDenovisor(path: string, count: number, warmUp: number): Promise<Times> {
  const image = await Deno.readFile(path);
  using guest = ExitGuest.create(image, memoryFor(count));
  const { memory } = guest.ram;
  memory.writeU32(PARAMETERS, count);
  memory.writeU32(PARAMETERS + 4, warmUp);
  const stop = await runInWorker(guest.job);
  if (stop.kind !== "exit" || stop.status !== STATUS) {
    throw new Error(`the guest did not end as it should: ${JSON.stringify(stop)}`);
  }
  const bytes = memory.readBytes(SAMPLES, count * KINDS.length * 4);
  return toNanoseconds(bytes, guest.vcpu.getTscKhz());
}

function runInWorker(job: ExitJob): Promise<VcpuStop> {
  const worker = new Worker(new URL("./exit_worker.ts", import.meta.url), { type: "module" });
  return new Promise<VcpuStop>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<VcpuStop>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(job);
  }).finally(() => worker.terminate());
}

/** One turn of the C loop. */
async function timeC(
  program: string,
  path: string,
  count: number,
  warmUp: number,
): Promise<Times> {
  const numbers = [PAYLOAD_ADDRESS, memoryFor(count), count, warmUp].map(String);
  const bytes = await run([program, path, ...numbers]);
  using guest = ExitGuest.create(new Uint8Array(), memoryFor(0));
  return toNanoseconds(bytes, guest.vcpu.getTscKhz());
}

/** Bytes of RAM, whole MiB, for so many samples of each kind. */
function memoryFor(count: number): number {
  const MIB = 2 ** 20;
  return SAMPLES + Math.ceil(count * KINDS.length * 4 / MIB + 1) * MIB;
}

function toNanoseconds(bytes: Uint8Array<ArrayBuffer>, tscKhz: number): Times {
  const ticks = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return Float64Array.from(ticks, (n) => n * 1e6 / tscKhz);
}

function perKind(times: Times, count: number): Percentiles[] {
  return KINDS.map((_, i) => percentiles(times.subarray(i * count, (i + 1) * count)));
}

function summarize(ours: Percentiles[][], theirs: Percentiles[][]): ExitsResult["kinds"] {
  const compare = (kind: number, name: PercentileName): Comparison => {
    const a = ours.map((round) => round[kind][name]);
    const b = theirs.map((round) => round[kind][name]);
    const ratio = spread(a.map((time, round) => time / b[round]));
    return { denovisor: spread(a), c: spread(b), ratio };
  };
  return Object.fromEntries(KINDS.map((kind, i) => [
    kind,
    {
      p50: compare(i, "p50"),
      p99: compare(i, "p99"),
      "p99.9": compare(i, "p99.9"),
    },
  ]));
}

/** The result as a table for people. */
export function exitsTable({ kinds, count, rounds }: ExitsResult): string {
  const us = ({ median, min, max }: Spread) =>
    `${micro(median)} (${micro(min)}–${micro(max)})`.padStart(22);
  const ratio = ({ median, min, max }: Spread) =>
    `${median.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`.padStart(24);
  const lines = [
    `${rounds} rounds, ${count} exits of each kind and side in each; µs and ratios: median (range) of rounds`,
    "",
    `${"".padEnd(20)}${"denovisor".padStart(22)}${"C".padStart(22)}${"ratio".padStart(24)}`,
  ];
  for (const [kind, comparisons] of Object.entries(kinds)) {
    for (const name of PERCENTILE_NAMES) {
      const { denovisor, c, ratio: r } = comparisons[name];
      lines.push(`${kind.padEnd(12)}${name.padEnd(8)}${us(denovisor)}${us(c)}${ratio(r)}`);
    }
  }
  return lines.join("\n");
}

function micro(nanoseconds: number): string {
  return (nanoseconds / 1000).toFixed(2);
}

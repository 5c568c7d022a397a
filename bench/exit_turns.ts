/**
 * Single exits, timed by their guest: one turn of denovisor's run loop, and one of a loop in C.
 *
 * The guest (tests/payloads/exit_latency.s) times each access itself with the time-stamp counter, so both sides are
 * measured alike, from the instruction to the next. Under denovisor the exit goes the way of every machine's: a vCPU's
 * Worker, its run loop, the bus with the devices of a machine on it, a device (the POST code port, and a latch among the
 * memory addresses), which with one vCPU needs no lock. The loop in C (exit_loop.c) answers in place.
 *
 * Each turn starts its side afresh, warms it up and then times.
 * @module
 */
import { join } from "node:path";
import { run } from "../src/rootfs/command.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { type Percentiles, percentiles } from "./compare/statistics.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS, PORT } from "./exit_guest.ts";
import { runInWorkers } from "./exit_workers.ts";

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

/** A loop in C needs no more before it is timed than its caches. */
const C_WARM_UP = 1000;
/** What counts for {@linkcode ExitTimes.rate}. */
const FAST = 0.99;

/** What a turn is to do. */
export interface ExitWork {
  /** Exits of each kind that each vCPU times. */
  readonly count: number;
  /** Those of each kind that come before, for JavaScript. */
  readonly warmUp: number;
  readonly cpus: number;
}

/** How many exits take about so long, on top of the warm-up. */
export function exitWork(seconds: number, cpus: number, warmUp: number = WARM_UP): ExitWork {
  const count = Math.round(seconds / KINDS.length / EXIT_SECONDS);
  return { count: Math.max(count, FEWEST), warmUp, cpus };
}

/** One kind of access in one turn. */
export interface ExitTimes {
  /** Of single exits, in microseconds. */
  readonly times: Percentiles;
  /**
   * Exits of all vCPUs in a second, without the slowest hundredth: those hold what else the host did, and one of them
   * takes as long as thousands of others.
   */
  readonly rate: number;
}

/** A turn: what came of each of {@linkcode KINDS}. */
export type ExitTurn = readonly ExitTimes[];

/** Both sides, ready to take turns. */
export class ExitSides implements AsyncDisposable {
  readonly #folder: string;
  readonly #payload: string;

  private constructor(folder: string, payload: string) {
    this.#folder = folder;
    this.#payload = payload;
  }

  /**
   * Builds the guest, and the loop in C.
   *
   * @throws {RootfsError} where gcc or binutils is not installed
   */
  static async create(): Promise<ExitSides> {
    const payload = await assemble("exit_latency", {
      format: "flat",
      address: PAYLOAD_ADDRESS,
      defines: { PORT, DEVICE },
    });
    const sides = new ExitSides(
      await Deno.makeTempDir({ prefix: "denovisor-exits-" }),
      payload.path,
    );
    try {
      const source = join(import.meta.dirname!, "exit_loop.c");
      const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"];
      await run(["gcc", ...flags, "-o", sides.#program, source]);
    } catch (error) {
      await sides[Symbol.asyncDispose]();
      throw error;
    }
    return sides;
  }

  get #program(): string {
    return join(this.#folder, "exit_loop");
  }

  /** How the side in C is started. */
  cCommand(work: ExitWork): string {
    return ["exit_loop", "$GUEST", ...numbers(work)].join(" ");
  }

  /** One turn of ours. @throws {Error} for a guest that doesn't end as it should */
  async denovisor(work: ExitWork): Promise<ExitTurn> {
    const image = await Deno.readFile(this.#payload);
    using guest = ExitGuest.create(image, memoryFor(work), work.cpus);
    const { memory } = guest.ram;
    for (const [i, value] of [work.count, work.warmUp, work.cpus].entries()) {
      memory.writeU32(PARAMETERS + i * 4, value);
    }
    await runInWorkers(guest, STATUS);
    return readTurn(work, memory.readBytes(SAMPLES, sampleBytes(work)), guest.vcpus[0].getTscKhz());
  }

  /** One turn of the loop in C. @throws {CommandError} for a guest that doesn't end as it should */
  async c(work: ExitWork): Promise<ExitTurn> {
    const bytes = await run([this.#program, this.#payload, ...numbers(work)]);
    if (bytes.length !== sampleBytes(work)) {
      throw new Error(`exit_loop wrote ${bytes.length} bytes`);
    }
    using guest = ExitGuest.create(new Uint8Array(), SAMPLES);
    return readTurn(work, bytes, guest.vcpus[0].getTscKhz());
  }

  /** Removes what was built for the occasion. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The arguments of exit_loop behind the image. */
function numbers(work: ExitWork): string[] {
  const warmUp = Math.min(work.warmUp, C_WARM_UP);
  return [PAYLOAD_ADDRESS, memoryFor(work), work.count, warmUp, work.cpus].map(String);
}

function sampleBytes({ count, cpus }: ExitWork): number {
  return count * KINDS.length * cpus * Uint32Array.BYTES_PER_ELEMENT;
}

/** Bytes of RAM, whole MiB. */
function memoryFor(work: ExitWork): number {
  const MIB = 2 ** 20;
  return SAMPLES + Math.ceil(sampleBytes(work) / MIB + 1) * MIB;
}

/** @throws {Error} for a guest that has left times out */
function readTurn(
  { count, cpus }: ExitWork,
  bytes: Uint8Array<ArrayBuffer>,
  tscKhz: number,
): ExitTurn {
  const ticks = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  if (ticks.includes(0)) throw new Error("the guest did not time all of its exits");
  return KINDS.map((_, kind) => {
    const times = new Float64Array(count * cpus);
    for (let cpu = 0; cpu < cpus; cpu++) {
      const from = (cpu * KINDS.length + kind) * count;
      for (let i = 0; i < count; i++) times[cpu * count + i] = ticks[from + i] * 1e3 / tscKhz;
    }
    return { times: percentiles(times), rate: cpus * 1e6 / fastMean(times) };
  });
}

/** The mean of all but the slowest hundredth. */
function fastMean(times: Float64Array): number {
  const fast = times.slice().sort().subarray(0, Math.ceil(times.length * FAST));
  return fast.reduce((sum, time) => sum + time, 0) / fast.length;
}

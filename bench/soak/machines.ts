/**
 * The process that a long run watches: two machines, one that leaves its guest without end, and one with a disk and a
 * card in constant use. For bench/subjects/soak.ts.
 *
 * It is given one {@linkcode SoakJob} as JSON on its command line, and tells what its guests have done, one
 * {@linkcode SoakNews} as a line of JSON, when it's asked to by a byte of its input. It ends with its input.
 * @module
 */
import { Machine } from "../../mod.ts";
import { HISTOGRAM_BYTES, quantileOf, readHistogram, since, total } from "./histogram.ts";
import type { Buckets } from "./histogram.ts";

/** What is to be run. */
export interface SoakJob {
  /** The programs: tests/payloads/native/soak_exits.c and soak_traffic.c. */
  readonly exits: string;
  readonly traffic: string;
  /** Where guests find virtio-mmio devices: their command line. */
  readonly parameters: string;
  /** An image of 16 MiB, full of zeroes, and a tap with net_peer.c behind it. */
  readonly disk: string;
  readonly tap: string;
}

/** What some kind of thing took since it was told of last, or since the start. */
export interface Latency {
  /** How often it was done. */
  readonly count: number;
  /** In ticks of the guest's clock. */
  readonly p50: number;
  readonly p99: number;
}

/** What the guests have done. */
export interface SoakNews {
  /** Exits of both machines, since the start, as the vCPUs' run loops count them: before and after the rest is read. */
  readonly exitsBefore: number;
  readonly exits: number;
  readonly latencies: Readonly<Record<string, Latency>>;
}

/** How often a piece of disk and net is begun, if the one before is done. */
const PIECE_MS = 10;

/** A guest's histograms, by what is counted in each. */
class Histograms {
  readonly #machine: Machine;
  readonly #at: number;
  readonly #before: Map<string, Buckets>;

  private constructor(machine: Machine, at: number, names: readonly string[]) {
    this.#machine = machine;
    this.#at = at;
    this.#before = new Map(names.map((name, i) => [name, this.#read(i)]));
  }

  /** Waits until the guest has said where they are, and that it begins. */
  static async of(machine: Machine, names: readonly string[]): Promise<Histograms> {
    const [, at] = await machine.console.expect(/^histograms=(\d+)\nready\n/m, { timeout: "60s" });
    return new Histograms(machine, Number(at), names);
  }

  #read(i: number): Buckets {
    return readHistogram(this.#machine.memory, this.#at + i * HISTOGRAM_BYTES);
  }

  /** The address behind the last one. */
  get end(): number {
    return this.#at + this.#before.size * HISTOGRAM_BYTES;
  }

  /** Whether something of each kind has come since this was asked what is new. */
  get complete(): boolean {
    return this.#readAll().every(({ before, now }) => total(since(before, now)) > 0);
  }

  /** What has come since this was asked last. */
  news(): [string, Latency][] {
    return this.#readAll().map(({ name, before, now }) => {
      this.#before.set(name, now);
      const buckets = since(before, now);
      const [p50, p99] = [0.5, 0.99].map((part) => quantileOf(buckets, part));
      return [name, { count: total(buckets), p50, p99 }];
    });
  }

  #readAll() {
    return [...this.#before].map(([name, before], i) => ({ name, before, now: this.#read(i) }));
  }
}

function exitsOf({ exits }: Machine): number {
  return exits.flatMap((vcpu) => Object.values(vcpu)).reduce((sum, count) => sum + count, 0);
}

/** Has a piece begun whenever the one before is done, until it's told to stop. */
async function keepBusy(machine: Machine, pieces: number, signal: AbortSignal): Promise<void> {
  for (let begun = 0n; !signal.aborted;) {
    if (machine.memory.readU64(pieces) === begun) {
      begun++;
      await machine.console.send("x");
    }
    await pause(PIECE_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(job: SoakJob): Promise<void> {
  const { parameters: cmdline, exits, traffic, disk, tap } = job;
  const common = { memory: "32M", transport: "mmio", cmdline } as const;
  await using leaver = await Machine.start({ ...common, kernel: exits, rng: true });
  await using user = await Machine.start({
    ...common,
    kernel: traffic,
    disks: [disk],
    nets: [{ tap }],
  });
  const machines = [leaver, user];
  const histograms = [
    await Histograms.of(leaver, ["port write", "port read", "MMIO read"]),
    await Histograms.of(user, ["disk read", "disk write", "net round trip"]),
  ];
  const over = new AbortController();
  const fail = (what: string) => {
    if (over.signal.aborted) return;
    Deno.stderr.writeSync(new TextEncoder().encode(`${what}\n`));
    Deno.exit(1);
  };
  for (const machine of machines) {
    // Neither ends by itself, but for a check of the guest's that fails.
    machine.ended.then((end) =>
      fail(`a guest has ended, ${JSON.stringify(end)}:\n${machine.console.lastLines.join("\n")}`)
    );
  }
  const busy = keepBusy(user, histograms[1].end, over.signal);
  busy.catch((error) => fail(String(error)));

  for await (const _asked of Deno.stdin.readable) {
    while (!histograms.every(({ complete }) => complete)) await pause(PIECE_MS);
    const countExits = () => machines.reduce((sum, machine) => sum + exitsOf(machine), 0);
    const exitsBefore = countExits();
    const latencies = Object.fromEntries(histograms.flatMap((each) => each.news()));
    const news: SoakNews = { exitsBefore, latencies, exits: countExits() };
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(news)}\n`));
  }
  over.abort();
  await busy;
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]));

/**
 * A long run: 10^8 exits, and half an hour of disk and net, in machines of one process. What the process holds must not
 * grow, and nothing must get slower.
 *
 * One machine leaves its guest without end; the other one's guest reads and writes a disk, compares what it reads with
 * what it wrote, and has round trips with a program behind its tap, in pieces with pauses between. Each guest times
 * what it does itself, and counts the times in its memory (bench/soak). A sample is what has happened since the last
 * one; the first third of all is compared with the last third.
 * @module
 */
import { guestTscKhz } from "../monitors/mod.ts";
import type { Extent, Measure, Report, Subject } from "../compare/report.ts";
import { OURS } from "../compare/report.ts";
import { spread } from "../compare/statistics.ts";
import { SoakChild } from "../soak/child.ts";
import type { SoakNews } from "../soak/machines.ts";
import { type ProcessSample, sampleProcess } from "../soak/process.ts";

/** What half an hour is to bring. A shorter run is to bring its part of it. */
const SECONDS = 1800;
const EXITS = 1e8;
/** A slow host gets this much more time for its exits. */
const LONGEST = 2;
/** What comes before the first sample, as a part of the whole: hot code is compiled, and heaps find their size. */
const WARM_UP = 1 / 20;
/** How much more the last third may have or take than the first one: memory, median latency, and its tail. */
const MEMORY_GROWTH = 1.05;
const P50_GROWTH = 1.1;
const P99_GROWTH = 1.25;

/** One sample. */
interface Sample {
  readonly news: SoakNews;
  readonly process: ProcessSample;
  /** When, in seconds. */
  readonly at: number;
}

export const soak: Subject = {
  name: "soak",
  title: "A long run",
  about: "10^8 exits and 30 minutes of disk and net in machines of one process: what it holds " +
    "and how fast it is, sample by sample, and the last third of the run by the first. A run of " +
    "fewer seconds has so much fewer exits.",
  rig: "direct",
  needs: { gcc: "gcc", ip: "iproute2" },
  extent: { seconds: SECONDS, rounds: 60 },
  long: true,
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  await using child = await SoakChild.start();
  const samples = await watch(child, extent);
  const [first] = samples;
  const last = samples.at(-1)!;
  return {
    measures: [
      ...done(samples, extent.seconds),
      ...held(samples.map(({ process }) => process)),
      ...latencies(samples.map(({ news }) => news)),
      ...load(samples),
    ],
    commands: { [OURS]: [...SoakChild.command, "$JOB"].join(" ") },
    notes: [
      `${samples.length - 1} samples in ${(last.at - first.at).toFixed(0)} s, after a warm-up. ` +
      `Flat is: memory within ${percent(MEMORY_GROWTH)}, medians within ${percent(P50_GROWTH)} ` +
      `and p99 within ${percent(P99_GROWTH)} of the first third; descriptors and threads the same.`,
      "Latencies are the guests' own, and those of a host that does other work too: what all " +
      "other processes used meanwhile is among the figures.",
    ],
  };
}

function percent(growth: number): string {
  return `${Math.round((growth - 1) * 100)} %`;
}

/** Lets the machines run, and gives what was seen: the first one is where counting begins. */
async function watch(child: SoakChild, { seconds, rounds, onRound }: Extent): Promise<Sample[]> {
  const look = async (): Promise<Sample> => ({
    news: await child.news(),
    process: sampleProcess(child.pid),
    at: performance.now() / 1000,
  });
  await child.news();
  await pause(seconds * WARM_UP);
  const samples = [await look()];
  const [first] = samples;
  const wanted = exitsWanted(seconds);
  for (let round = 1;; round++) {
    await pause(first.at + seconds / rounds * round - performance.now() / 1000);
    samples.push(await look());
    onRound?.(Math.min(round, rounds));
    const exits = samples.at(-1)!.news.exits - first.news.exits;
    if (round >= rounds * LONGEST || round >= rounds && exits >= wanted) return samples;
  }
}

function exitsWanted(seconds: number): number {
  return EXITS * Math.min(1, seconds / SECONDS);
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds) * 1000));
}

/** What was done in all; work that was not done is no measure of anything. */
function done(samples: readonly Sample[], seconds: number): Measure[] {
  const news = samples.slice(1).map(({ news }) => news);
  const exits = news.at(-1)!.exits - samples[0].news.exits;
  const count = (names: readonly string[]) =>
    news.reduce(
      (sum, { latencies }) => sum + names.reduce((sum, name) => sum + latencies[name].count, 0),
      0,
    );
  const accesses = count(["port write", "port read", "MMIO read"]);
  // Each of them leaves the guest, and nothing is counted twice.
  const most = news.at(-1)!.exits - samples[0].news.exitsBefore;
  if (accesses > most) throw new Error(`${accesses} accesses were timed in ${most} exits`);
  const sum = (name: string, value: number, goal?: number): Measure => ({
    name,
    unit: "",
    better: "more",
    values: { [OURS]: [value] },
    ...goal === undefined ? {} : { goals: [{ atLeast: goal }] },
  });
  return [
    sum("exits", exits, exitsWanted(seconds)),
    sum("disk requests", count(["disk read", "disk write"])),
    sum("net round trips", count(["net round trip"])),
  ];
}

/** What the process held, and whether that grew. */
function held(samples: readonly ProcessSample[]): Measure[] {
  const memory = (["rss", "pss"] as const).flatMap((key) => {
    const values = samples.map((sample) => sample[key]);
    return series(key.toUpperCase(), "MiB", values, MEMORY_GROWTH);
  });
  const counts = (["fds", "threads"] as const).flatMap((key): Measure[] => {
    const values = samples.map((sample) => sample[key]);
    const [early, late] = thirds(values);
    const name = key === "fds" ? "descriptors" : "threads";
    return [
      { name, unit: "", better: "less", values: { [OURS]: values } },
      {
        name: `${name}, last third less first`,
        unit: "",
        better: "less",
        values: { [OURS]: [late - early] },
        goals: [{ atMost: 0 }],
      },
    ];
  });
  return [...memory, ...counts];
}

function latencies(news: readonly SoakNews[]): Measure[] {
  const khz = guestTscKhz();
  const microseconds = (ticks: number) => ticks * 1000 / khz;
  return Object.keys(news[0].latencies).flatMap((name) =>
    (["p50", "p99"] as const).flatMap((part) => {
      // Before the first sample is the warm-up.
      const values = news.slice(1).map(({ latencies }) => microseconds(latencies[name][part]));
      const growth = part === "p50" ? P50_GROWTH : P99_GROWTH;
      return series(`${name}, ${part}`, "µs", values, growth);
    })
  );
}

/** A value over time, and its last third by its first one. */
function series(name: string, unit: string, values: readonly number[], growth: number): Measure[] {
  const [early, late] = thirds(values);
  return [
    { name, unit, better: "less", values: { [OURS]: values } },
    {
      name: `${name}, last third by first`,
      unit: "×",
      better: "less",
      values: { [OURS]: [late / early] },
      goals: [{ atMost: growth }],
    },
  ];
}

/** The medians of the first third and of the last one. */
function thirds(values: readonly number[]): [number, number] {
  const third = Math.max(1, Math.floor(values.length / 3));
  return [spread(values.slice(0, third)).median, spread(values.slice(-third)).median];
}

/** What the process used, and what everything else did. */
function load(samples: readonly Sample[]): Measure[] {
  const used = samples.slice(1).map(({ process, at }, i) => {
    const { process: before, at: since } = samples[i];
    const own = process.seconds - before.seconds;
    const all = process.hostSeconds - before.hostSeconds;
    return { own: own / (at - since) * 100, other: (all - own) / (at - since) * 100 };
  });
  const measure = (name: string, values: number[]): Measure => ({
    name,
    unit: "%",
    better: "less",
    values: { [OURS]: values },
  });
  return [
    measure("processor time of the process", used.map(({ own }) => own)),
    measure("processor time of all others", used.map(({ other }) => other)),
  ];
}

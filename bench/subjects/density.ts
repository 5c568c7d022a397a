/**
 * How many machines one process starts and stops in a second, and how many it has at once, with a guest that has
 * nothing to do (tests/payloads/native/idle.c) and no devices.
 * @module
 */
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, takeTurns } from "../compare/rounds.ts";
import { IdleChild } from "../idleness.ts";
import { type Guest, type Monitor, monitorsFor, typed } from "../monitors/mod.ts";
import type { Many, Rate, Wish } from "../tiny_machines.ts";
import type { StartConfig } from "../../mod.ts";
import { MMIO } from "../../src/cli/self_test/ways.ts";
import { runText } from "../../src/rootfs/command.ts";
import { compile } from "../../tests/payloads/compile.ts";

const GUEST_MIB = 16;
/** How many are started at a time, where not one after another. */
const CONCURRENCY = 4;
/** One after another and several at a time, of both sides. */
const TURNS = 4;
/** Nobody needs more machines in one process to know that there can be a hundred. */
const MOST = 200;

const RATE_GOAL = 20;
const MANY_GOAL = 100;

export const density: Subject = {
  name: "density",
  title: "Machines per second, and at once",
  about:
    `Machines of ${GUEST_MIB} MiB without devices in one process, by the library: started until ` +
    "the guest says that it is idle and then stopped, and as many as there can be at once.",
  rig: "direct",
  needs: { gcc: "gcc", "qemu-system-x86_64": "qemu-system-x86" },
  extent: { seconds: 36, rounds: 3 },
  measure,
};

function measure(extent: Extent): Promise<Report> {
  return measureUpTo(MOST, extent);
}

/**
 * Measures.
 *
 * @param most how many machines at once are enough
 */
export async function measureUpTo(most: number, extent: Extent): Promise<Report> {
  const seconds = extent.seconds / extent.rounds / TURNS;
  const program = await compile("idle");
  const guest: Guest = { program, parameters: {}, devices: {}, memoryMiB: GUEST_MIB };
  const { monitors: [, ...peers], notes } = monitorsFor(guest);
  const config: StartConfig = {
    kernel: program,
    memory: `${GUEST_MIB}M`,
    transport: MMIO.transport,
    cmdline: MMIO.parameters,
  };
  const rate = async (concurrency: number) => {
    const { machines, seconds: took } = await ask<Rate>({
      ...{ kind: "rate", config, seconds, concurrency },
    });
    return machines / took;
  };
  // Who is told of rounds hears of those of the last part: the others have as many.
  const { onRound: _, ...silent } = extent;
  const rates = (concurrency: number) =>
    takeTurns({
      [OURS]: () => rate(concurrency),
      ...Object.fromEntries(
        peers.map((peer) => [peer.name, () => processRate(peer, guest, seconds, concurrency)]),
      ),
    }, silent);
  const one = await rates(1);
  const several = await rates(CONCURRENCY);
  const many = await takeTurns({
    [OURS]: () => ask<Many>({ kind: "many", config, most }),
  }, extent);
  const names = { [program]: "$GUEST" };
  return {
    measures: [
      ...measures(one, [{
        ...{ name: "machines, one after another", unit: "1/s", better: "more" },
        pick: (value) => value,
        goals: [{ atLeast: RATE_GOAL }],
      }]),
      ...measures(several, [{
        ...{ name: `machines, ${CONCURRENCY} at a time`, unit: "1/s", better: "more" },
        pick: (value) => value,
        goals: [{ atLeast: RATE_GOAL }],
      }]),
      ...measures(many, [
        {
          ...{ name: "machines at once", unit: "machines", better: "more" },
          pick: ({ machines }) => machines,
          goals: [{ atLeast: MANY_GOAL }],
        },
        {
          ...{ name: "memory of each of them beside the guest's", unit: "MiB", better: "less" },
          pick: ({ machines, memory }) => memory.own / machines,
        },
      ]),
    ],
    commands: {
      [OURS]: `deno run -A bench/tiny_machines.ts '${
        JSON.stringify({ kind: "rate", config, seconds, concurrency: 1 }).replace(program, "$GUEST")
      }'`,
      ...Object.fromEntries(peers.map((peer) => [peer.name, typed(peer, guest, names)])),
    },
    notes: [
      ...notes,
      ...peers.map(({ name }) => `${name} has a process for each machine, and is killed.`),
      ...[...new Set(many[OURS].map((each) => limit(each, most)))],
    ],
  };
}

/** What kept machines from becoming more. */
function limit({ machines, reason, threads, descriptors }: Many, most: number): string {
  const used = `${threads} threads and ${descriptors} descriptors`;
  return reason === undefined
    ? `At ${most} machines no more were started; nothing had given in (${used}).`
    : `At ${machines} machines (${used}) gave in: ${reason}`;
}

/** Has a process of ours measure something. */
async function ask<T>(wish: Wish): Promise<T> {
  const script = new URL("../tiny_machines.ts", import.meta.url).pathname;
  const text = await runText([
    ...[Deno.execPath(), "run", "-A", "--quiet", script] as const,
    JSON.stringify(wish),
  ]);
  return JSON.parse(text);
}

/** Has another monitor start machines and kills each when its guest is idle, so many at a time. */
async function processRate(
  monitor: Monitor,
  guest: Guest,
  seconds: number,
  concurrency: number,
): Promise<number> {
  const began = performance.now();
  const until = began + seconds * 1000;
  let machines = 0;
  await Promise.all(Array.from({ length: concurrency }, async () => {
    do {
      await using child = new IdleChild(monitor.command(guest));
      await child.becomesIdle();
      machines++;
    } while (performance.now() < until);
  }));
  return machines / ((performance.now() - began) / 1000);
}

/**
 * How vCPUs that leave their guest at once hold each other up: the same guest (exit_turns.ts) with one vCPU and with
 * two, under denovisor's run loops in Workers and under loops in C in threads.
 *
 * With two vCPUs each access of ours takes its device's lock; C's devices are a byte each, which needs none.
 * @module
 */
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { PERCENTILE_NAMES } from "../compare/statistics.ts";
import { ExitSides, type ExitTurn, exitWork, KINDS } from "../exit_turns.ts";

const C = "C";
const CPUS = 2;
/** What of the scaling of C's loops ours are to reach. */
const SCALING = 0.95;

export const smp: Subject = {
  name: "smp",
  title: "Exits of two vCPUs at once",
  about:
    "Both vCPUs go to the same devices, as fast as they can and in step. Exits per second of one " +
    "vCPU and of two, without the slowest hundredth, in which the host did something else; and how " +
    "long single exits take with two, timed in the guest by the TSC. denovisor has a Worker for each " +
    "vCPU and a lock for each device, C has threads and no locks.",
  rig: "direct",
  needs: { gcc: "gcc", as: "binutils" },
  extent: { seconds: 16, rounds: 12 },
  measure: (extent) => measureSmp(extent),
};

/** What a side does in a round. */
interface Turn {
  readonly one: ExitTurn;
  readonly two: ExitTurn;
}

/** What this subject is made of. @param warmUp exits of each kind that are not timed */
export async function measureSmp(extent: Extent, warmUp?: number): Promise<Report> {
  await using sides = await ExitSides.create();
  const perTurn = extent.seconds / extent.rounds / 2 / 2;
  const [one, two] = [1, CPUS].map((cpus) => exitWork(perTurn, cpus, warmUp));
  const rounds = await takeTurns<Turn>({
    [OURS]: async () => ({ one: await sides.denovisor(one), two: await sides.denovisor(two) }),
    [C]: async () => ({ one: await sides.c(one), two: await sides.c(two) }),
  }, extent);
  return {
    measures: measures(rounds, picked()),
    commands: {
      [OURS]: "deno task compare smp",
      [C]: `${sides.cCommand(one)}; ${sides.cCommand(two)}`,
    },
    notes: [
      `Each vCPU makes ${one.count} exits of each kind in each turn; ` +
      `denovisor's are timed after ${one.warmUp}.`,
    ],
  };
}

function picked(): Picked<Turn>[] {
  return KINDS.flatMap((kind, i): Picked<Turn>[] => [
    {
      name: `${kind}, scaling`,
      unit: "×",
      better: "more",
      goals: [{ by: C, atLeast: SCALING }],
      pick: ({ one, two }) => two[i].rate / one[i].rate,
    },
    { name: `${kind}, 1 vCPU`, unit: "1/s", better: "more", pick: ({ one }) => one[i].rate },
    { name: `${kind}, 2 vCPUs`, unit: "1/s", better: "more", pick: ({ two }) => two[i].rate },
    ...PERCENTILE_NAMES.map((name): Picked<Turn> => ({
      name: `${kind}, 2 vCPUs, ${name}`,
      unit: "µs",
      better: "less",
      pick: ({ two }) => two[i].times[name],
    })),
  ]);
}

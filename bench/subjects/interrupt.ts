/**
 * How long an interrupt takes from what causes it on the host to the guest's handler, by irqfd: denovisor beside a
 * program in C, with the same guest (interrupt_turns.ts).
 * @module
 */
import { type Extent, type Goal, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { PERCENTILE_NAMES, type Percentiles } from "../compare/statistics.ts";
import { InterruptSides, interruptWork, WAYS } from "../interrupt_turns.ts";

const C = "C";
const C_EPOLL = "C with epoll";
/** What C may be outdone by in the median. */
const BY_C = 1.1;
/** Enough for the compiler of hot JavaScript to have done its work on an event loop's turn: about two seconds. */
const WARM_UP = 40_000;

export const interrupt: Subject = {
  name: "interrupt",
  title: "Interrupts",
  about:
    "From the instruction that causes an interrupt to the first one of its handler, timed in the " +
    "guest by the TSC; message-signalled, in KVM's interrupt controllers. irqfd: an exit's handler " +
    "signals it. ioeventfd to irqfd: the guest kicks an ioeventfd, a thread that sleeps wakes and " +
    "signals the irqfd, the spinning guest is interrupted. That thread is denovisor's I/O Worker, " +
    "beside one in C that blocks in read, and one that uses epoll as a server of several devices does.",
  rig: "direct",
  needs: { gcc: "gcc", as: "binutils" },
  extent: { seconds: 12, rounds: 12 },
  measure: (extent) => measureInterrupts(extent),
};

type Turn = readonly Percentiles[];

/** What this subject is made of. @param warmUp interrupts of each way that are not timed */
export async function measureInterrupts(extent: Extent, warmUp = WARM_UP): Promise<Report> {
  await using sides = await InterruptSides.create();
  const work = interruptWork(extent.seconds / extent.rounds / 3, warmUp);
  const rounds = await takeTurns<Turn>({
    [OURS]: () => sides.denovisor(work),
    [C]: () => sides.c(work, "read"),
    [C_EPOLL]: () => sides.c(work, "epoll"),
  }, extent);
  return {
    measures: measures(rounds, picked()),
    commands: {
      [OURS]: "deno task compare interrupt",
      [C]: sides.cCommand(work, "read"),
      [C_EPOLL]: sides.cCommand(work, "epoll"),
    },
    notes: [
      `${work.count} interrupts of each way in each turn; denovisor is timed after ${work.warmUp}, ` +
      "when its code has been compiled as far as it will be.",
    ],
  };
}

function picked(): Picked<Turn>[] {
  const goals: readonly Goal[] = [{ by: C, atMost: BY_C }];
  return WAYS.flatMap((way, i) =>
    PERCENTILE_NAMES.map((name): Picked<Turn> => ({
      name: `${way}, ${name}`,
      unit: "µs",
      better: "less",
      goals: name === "p50" ? goals : [],
      pick: (turn) => turn[i][name],
    }))
  );
}

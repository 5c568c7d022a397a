/**
 * Results that are what a test wants them to be.
 * @module
 */
import type { Kept } from "../record.ts";
import type { Measure } from "../report.ts";

/** A measure that is in microseconds. */
export function exitMeasure(rest: Partial<Measure> = {}): Measure {
  return {
    name: "port write, p50",
    unit: "µs",
    better: "less",
    values: { denovisor: [8, 9, 10], C: [8, 8, 8], QEMU: [16, 18, 20] },
    goals: [{ by: "C", atMost: 1.05 }, { by: "QEMU", atMost: 1 }],
    ...rest,
  };
}

/** A result with such measures. */
export function keptOf(name: string, measures: readonly Measure[], rest: Partial<Kept> = {}): Kept {
  return {
    subject: { name, title: `What ${name} takes`, about: `Of ${name}.`, rig: "direct" },
    place: "this machine",
    host: { processor: "Z80, 1 core", QEMU: "QEMU 7.2" },
    date: "2026-11-23T03:14:15.000Z",
    commit: "0123456789ab",
    command: `deno task compare ${name}`,
    extent: { seconds: 20, rounds: 3 },
    report: {
      measures,
      commands: {
        denovisor: "denovisor run $GUEST",
        C: "loop $GUEST",
        QEMU: "qemu -kernel $GUEST",
      },
      notes: ["Nothing of note."],
    },
    ...rest,
  };
}

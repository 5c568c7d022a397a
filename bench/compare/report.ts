/**
 * What a comparison is and what comes of it: the same shape for every subject, so that one table, one chart and one
 * report serve all of them.
 * @module
 */

/** Our own side, in {@linkcode Measure.values}. */
export const OURS = "denovisor";

/** Where a comparison runs: on this machine's own KVM, or on one that runs stock kernels (the lab, where this one doesn't). */
export type Rig = "direct" | "lab";

/** What is to be reached. One of `atMost` and `atLeast` is given. */
export interface Goal {
  /** The side of which something is expected; {@linkcode OURS} without. */
  readonly side?: string;
  /** The side by whose value it is divided, round by round; without, the value itself counts. */
  readonly by?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One thing that was measured, on one or more sides. */
export interface Measure {
  /** Such as "port write, p50"; unique in its report. */
  readonly name: string;
  /** Such as "µs", "ms", "1/s", "MiB/s", "Gbit/s", "MiB" or "%". */
  readonly unit: string;
  readonly better: "less" | "more";
  /** The values of all rounds, in their order, by side; every side has as many, ours comes first. */
  readonly values: Readonly<Record<string, readonly number[]>>;
  readonly goals?: readonly Goal[];
}

/** What came of a comparison. */
export interface Report {
  readonly measures: readonly Measure[];
  /** How each side was started, as one could type it, by side; files of the moment are named as `$GUEST`, `$DISK`… */
  readonly commands: Readonly<Record<string, string>>;
  /** What a reader has to know: what was left out and how to have it, what gave in, what was tried. */
  readonly notes: readonly string[];
}

/** How much a comparison is to measure. */
export interface Extent {
  /** About how long to measure, all rounds and sides together, in seconds; starts and warm-ups come on top. */
  readonly seconds: number;
  /** How many times each side has its turn; the order alternates from round to round. */
  readonly rounds: number;
  /** Told as rounds get done. */
  readonly onRound?: (done: number) => void;
}

/** Something to compare. */
export interface Subject {
  /** As it's typed after `deno task compare`. */
  readonly name: string;
  /** As a heading. */
  readonly title: string;
  /** What is measured and how, for the report: one or two sentences. */
  readonly about: string;
  readonly rig: Rig;
  /** Commands or files that it needs or compares with, each with its Debian package. */
  readonly needs: Readonly<Record<string, string>>;
  /** What a run has by default. */
  readonly extent: Pick<Extent, "seconds" | "rounds">;
  /** Whether it takes so long that it is only run when it's asked for by its name. */
  readonly long?: boolean;
  /** Puts into the user's cache what measuring takes from there; called where there's a network, as the lab has none. */
  readonly fetch?: () => Promise<void>;
  /**
   * Measures.
   *
   * @throws {Error} for a side that doesn't do its work as it should; nothing is left running
   */
  measure(extent: Extent): Promise<Report>;
}

/**
 * What a disk counts.
 * @module
 */

/** The counters of a disk. Requests are counted when they are done. */
export const BLOCK_COUNTERS = [
  "reads",
  "read_bytes",
  "writes",
  "written_bytes",
  "flushes",
  "discards",
  "write_zeroes",
  /** Requests that the guest got wrong, or that the device doesn't know. */
  "rejected",
  /** Requests that the host could not carry out. */
  "failed",
  /** How often requests had to wait for a limit. */
  "throttled",
  /** Requests that a fault has refused, held back until it is switched off, delayed, or told a lie about. */
  "faults_failed",
  "faults_stalled",
  "faults_delayed",
  "faults_lied",
] as const;
/** One of {@linkcode BLOCK_COUNTERS}. */
export type BlockCounter = typeof BLOCK_COUNTERS[number];

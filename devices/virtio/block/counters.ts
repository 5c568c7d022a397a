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
] as const;
/** One of {@linkcode BLOCK_COUNTERS}. */
export type BlockCounter = typeof BLOCK_COUNTERS[number];

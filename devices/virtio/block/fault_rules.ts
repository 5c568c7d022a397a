/**
 * The faults of a disk, as users ask for them.
 * @module
 */
import { defineFaults, type FaultRate, faultsField, milliseconds } from "../../faults/mod.ts";
import { chance, timingFields } from "../../faults/mod.ts";
import { count, field, oneOf, optional, type OptionField } from "../../options.ts";
import { MAX_SEGMENT_SECTORS } from "./protocol.ts";

/**
 * What a faulty disk does with a request:
 *
 * | action  | what happens                                                        | what the driver is told |
 * | ------- | ------------------------------------------------------------------- | ----------------------- |
 * | `error` | nothing                                                             | an I/O error            |
 * | `full`  | nothing, for writes: the host's disk is full                        | an I/O error            |
 * | `stall` | nothing, until other rules are set; then what they say              | nothing, until then     |
 * | `delay` | what was asked for, after `ms`                                      | how that went           |
 * | `lie`   | writes and discards of `sectors` aren't done, reads give wrong data | that all went well      |
 * | `short` | the first `keep` sectors, and no more                               | an I/O error            |
 * | `torn`  | the first `keep` sectors, and no more                               | that all went well      |
 */
export const BLOCK_FAULT_ACTIONS = [
  "error",
  "full",
  "stall",
  "delay",
  "lie",
  "short",
  "torn",
] as const;
/** One of {@linkcode BLOCK_FAULT_ACTIONS}. */
export type BlockFaultAction = typeof BLOCK_FAULT_ACTIONS[number];

/** The requests that a rule can be for. Zeroes that are written without data are a `write`. */
export const BLOCK_FAULT_OPS = ["read", "write", "flush", "discard", "any"] as const;
/** One of {@linkcode BLOCK_FAULT_OPS}. */
export type BlockFaultOp = typeof BLOCK_FAULT_OPS[number];

/** What a read gives that is lied about: zeros, all but one bit, or what the guest's buffer held before. */
export const BLOCK_LIES = ["zeros", "flipped", "stale"] as const;
/** One of {@linkcode BLOCK_LIES}. */
export type BlockLie = typeof BLOCK_LIES[number];

/** One rule of a faulty disk. Of several, the first that holds for a request decides. */
export interface BlockFault extends FaultRate {
  readonly action: BlockFaultAction;
  /** Which requests; all when left out. */
  readonly op?: BlockFaultOp;
  /** The first and the last sector, of 512 bytes each; wherever when left out. A flush has no sectors. */
  readonly sectors?: readonly [number, number];
  /** Of `delay`: milliseconds. */
  readonly ms?: number;
  /** Of a `lie` about reads; zeros when left out. */
  readonly data?: BlockLie;
  /** Of `short` and `torn`: how many sectors, counted from the start of the request, cut to whole blocks. */
  readonly keep?: number;
}

const SECTOR_MAX = 2 ** 44;

/** The rules of a disk. */
export const BLOCK_FAULTS = defineFaults({
  fields: {
    action: oneOf("what happens to a request", BLOCK_FAULT_ACTIONS),
    op: optional(oneOf("which requests (any)", BLOCK_FAULT_OPS)),
    sectors: optional(sectorRange()),
    ms: optional(milliseconds("of a delay: how long")),
    data: optional(oneOf("of a lie: what a read gives (zeros)", BLOCK_LIES)),
    keep: optional(
      count("N", "of short and torn: how many sectors are done", 0, MAX_SEGMENT_SECTORS),
    ),
    rate: optional(chance("the part of such requests that it holds for (1)")),
    ...timingFields("requests"),
  },

  check({ action, op = "any", sectors, ms, data, keep }) {
    const only = (name: string, value: unknown, ...actions: BlockFaultAction[]) => {
      if (value === undefined || actions.includes(action)) return;
      throw new TypeError(`${name}: it is for ${actions.join(" and ")}, not for ${action}`);
    };
    only("ms", ms, "delay");
    only("data", data, "lie");
    only("keep", keep, "short", "torn");
    if (action === "delay" && ms === undefined) throw new TypeError("ms: a delay needs it");
    if (keep === undefined && (action === "short" || action === "torn")) {
      throw new TypeError(`keep: what is ${action} needs it: how many sectors are done`);
    }
    if (sectors !== undefined && op === "flush") {
      throw new TypeError("sectors: a flush is about the whole disk; leave them out");
    }
    if (action === "full" && op !== "write" && op !== "any") {
      throw new TypeError(`op: only writes find a disk full, not a ${op}; leave it out`);
    }
    if ((action === "short" || action === "torn") && (op === "flush" || op === "discard")) {
      throw new TypeError(`op: a ${op} has no part to be done; ${action} is for read and write`);
    }
    if (data !== undefined && op !== "read" && op !== "any") {
      throw new TypeError(`data: a ${op} gives none; it is for reads`);
    }
  },
});

/** The property of a disk with which its faults begin. */
export const BLOCK_FAULTS_FIELD: OptionField<readonly BlockFault[] | undefined> = faultsField(
  BLOCK_FAULTS,
);

function sectorRange(): OptionField<readonly [number, number]> {
  return field("[FROM,TO]", "the first and the last sector, of 512 bytes each", (given) => {
    const isSector = (value: unknown) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= SECTOR_MAX;
    if (Array.isArray(given) && given.length === 2 && given.every(isSector)) {
      const [from, to] = given;
      if (from <= to) return [from, to];
    }
    throw new TypeError("it is a list of the first and the last sector, such as [8, 15]");
  });
}

/**
 * The faults of a network card's cable, as users ask for them.
 * @module
 */
import {
  chance,
  defineFaults,
  faultsField,
  type FaultTiming,
  milliseconds,
  timingFields,
} from "../../faults/mod.ts";
import { flag, oneOf, optional, type OptionField } from "../../options.ts";

/** Where packets go, as the guest sees it: what it receives, what it sends, or all. */
export const NET_FAULT_DIRECTIONS = ["rx", "tx", "both"] as const;
/** One of {@linkcode NET_FAULT_DIRECTIONS}. */
export type NetFaultDirection = typeof NET_FAULT_DIRECTIONS[number];

/**
 * One rule of a faulty cable. Of several, the first that holds for a packet decides.
 *
 * Each direction has its own count of packets and its own chances, so that what comes in doesn't change what happens
 * to what goes out. A packet that is to be segmented by the host or the guest counts as one.
 */
export interface NetFault extends FaultTiming {
  /** Which packets; both directions when left out. */
  readonly direction?: NetFaultDirection;
  /** Whether all of them are dropped. The link stays up: that is what the command `link` is for. */
  readonly down?: boolean;
  /** The part that is dropped, from 0 to 1. */
  readonly drop?: number;
  /** How long they are on their way, in milliseconds. */
  readonly delay?: number;
  /** By how much that varies at most, up and down, in milliseconds; packets may overtake each other. */
  readonly jitter?: number;
  /** The part that is overtaken by the packet behind it. */
  readonly reorder?: number;
  /** The part that comes twice. */
  readonly duplicate?: number;
  /**
   * The part in which one bit is wrong. A checksum that was left to the other side is made before, so that it tells;
   * a packet that was to be segmented is dropped instead, as whoever gets its pieces would do with the wrong one.
   */
  readonly corrupt?: number;
}

/** The rules of a cable. */
export const NET_FAULTS = defineFaults({
  fields: {
    direction: optional(oneOf("which packets, as the guest sees it (both)", NET_FAULT_DIRECTIONS)),
    down: optional(flag("whether all are dropped")),
    drop: optional(chance("the part that is dropped")),
    delay: optional(milliseconds("how long they are on their way")),
    jitter: optional(milliseconds("by how much the delay varies, up and down")),
    reorder: optional(chance("the part that is overtaken by the packet behind it")),
    duplicate: optional(chance("the part that comes twice")),
    corrupt: optional(chance("the part in which one bit is wrong")),
    ...timingFields("packets"),
  },

  check({ down, drop, delay, jitter, reorder, duplicate, corrupt }) {
    const effects = [down, drop, delay, jitter, reorder, duplicate, corrupt];
    if (effects.every((effect) => effect === undefined)) {
      throw new TypeError(
        "it does nothing; give any of down, drop, delay, jitter, reorder, duplicate, corrupt",
      );
    }
    if (jitter !== undefined && jitter > (delay ?? 0)) {
      throw new TypeError("jitter: it is at most the delay; no packet arrives before it's sent");
    }
  },
});

/** The property of a network card with which its faults begin. */
export const NET_FAULTS_FIELD: OptionField<readonly NetFault[] | undefined> = faultsField(
  NET_FAULTS,
);

/**
 * The faults of a source of entropy: it runs dry, gives what anybody could guess, or takes its time.
 *
 * How slow it is in bytes a second is for its limits. Rules are the host's wish, as limits are, not state.
 * @module
 */
import {
  chance,
  defineFaults,
  type FaultRate,
  faultsField,
  FaultTrigger,
  milliseconds,
  timingFields,
} from "../../faults/mod.ts";
import { count, oneOf, optional, type OptionField } from "../../options.ts";

/**
 * What a faulty source does:
 *
 * | action     | what happens                                                           |
 * | ---------- | ---------------------------------------------------------------------- |
 * | `dry`      | this buffer and all after it wait, until other rules are set           |
 * | `constant` | the buffer comes back full of one and the same byte                    |
 * | `delay`    | the buffer, and those behind it, wait for so long; then it's filled    |
 */
export const ENTROPY_FAULT_ACTIONS = ["dry", "constant", "delay"] as const;
/** One of {@linkcode ENTROPY_FAULT_ACTIONS}. */
export type EntropyFaultAction = typeof ENTROPY_FAULT_ACTIONS[number];

/** One rule of a faulty source. Of several, the first that holds for a buffer decides. */
export interface EntropyFault extends FaultRate {
  readonly action: EntropyFaultAction;
  /** Of `constant`: the byte; 0 when left out. */
  readonly byte?: number;
  /** Of `delay`: milliseconds. */
  readonly ms?: number;
}

/** The rules of a source of entropy. */
export const ENTROPY_FAULTS = defineFaults({
  fields: {
    action: oneOf("what happens to a buffer", ENTROPY_FAULT_ACTIONS),
    byte: optional(count("BYTE", "of constant: what all bytes are (0)", 0, 255)),
    ms: optional(milliseconds("of a delay: how long")),
    rate: optional(chance("the part of the buffers that it holds for (1)")),
    ...timingFields("buffers"),
  },

  check({ action, byte, ms, count }) {
    if (byte !== undefined && action !== "constant") {
      throw new TypeError(`byte: it is for constant, not for ${action}`);
    }
    if (ms !== undefined && action !== "delay") {
      throw new TypeError(`ms: it is for delay, not for ${action}`);
    }
    if (ms === undefined && action === "delay") throw new TypeError("ms: a delay needs it");
    if (count !== undefined && action === "dry") {
      throw new TypeError("count: what is dry stays so until other rules are set; leave it out");
    }
  },
});

/** The property of a source with which its faults begin. */
export const ENTROPY_FAULTS_FIELD: OptionField<readonly EntropyFault[] | undefined> = faultsField(
  ENTROPY_FAULTS,
);

/** One rule at work. */
class Rule extends FaultTrigger {
  constructor(readonly fault: EntropyFault) {
    super(fault);
  }
}

/** The faults of one source. Belongs to the isolate that serves it. */
export class EntropyFaults {
  #rules: readonly Rule[] = [];

  /** Whether there is anything to be done. */
  get active(): boolean {
    return this.#rules.length > 0;
  }

  /** Other rules; none switch all faults off. */
  set(faults: readonly EntropyFault[]): void {
    this.#rules = faults.map((fault) => new Rule(fault));
  }

  /** The rules, and what came of each. */
  show(): unknown {
    return this.#rules.map(({ fault, seen, hits }) => ({ ...fault, seen, hits }));
  }

  /** What happens to the next buffer; undefined where nothing does. Ask once for each. */
  next(): EntropyFault | undefined {
    return this.#rules.find((rule) => rule.fires())?.fault;
  }
}

/**
 * When a fault happens: after so many that fit it, so often, so many times.
 * @module
 */
import { FaultRandom } from "./random.ts";

/** What every rule may say about when it holds. */
export interface FaultTiming {
  /** How many that fit the rule pass before it first holds; 0 when left out. */
  readonly after?: number;
  /** How often it holds at most; without an end when left out. */
  readonly count?: number;
  /** Which chances it takes: the same seed, the same faults. 1 when left out. */
  readonly seed?: number;
}

/** The same with a rate. */
export interface FaultRate extends FaultTiming {
  /** The part of what fits the rule that it holds for, from 0 to 1; 1 when left out. */
  readonly rate?: number;
}

/** What a rule has seen and done since it was set. */
export interface FaultTally {
  /** How many fitted the rule. */
  readonly seen: number;
  /** How many of them it held for. */
  readonly hits: number;
}

/** Decides about one rule. Belongs to one isolate. */
export class FaultTrigger implements FaultTally {
  seen = 0;
  hits = 0;
  /** Chance for whatever else the rule decides. */
  readonly random: FaultRandom;
  readonly #rate: number;
  readonly #after: number;
  readonly #count: number;

  constructor({ rate = 1, after = 0, count = Infinity, seed = 1 }: FaultRate) {
    this.random = new FaultRandom(seed);
    this.#rate = rate;
    this.#after = after;
    this.#count = count;
  }

  /** Whether the rule holds for the next one that fits it. */
  fires(): boolean {
    this.seen++;
    if (this.seen <= this.#after || this.hits >= this.#count) return false;
    // Drawn where it decides, and only there: so a seed's faults don't depend on what was before.
    if (this.#rate < 1 && !this.random.chance(this.#rate)) return false;
    this.hits++;
    return true;
  }
}

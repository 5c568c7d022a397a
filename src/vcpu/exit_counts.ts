/**
 * How often a vCPU left its guest, by reason: written by its Worker, read by anyone.
 * @module
 */
import { exitReasonName } from "../kvm/bindings/exit.ts";

/** More than KVM has reasons; a newer one is counted in the last place. */
const SLOTS = 64;

/** The counts of one vCPU in shared memory. A float counts exactly to 2^53 and needs no BigInt. */
export class ExitCounts {
  readonly #counts: Float64Array<SharedArrayBuffer>;

  /** @param memory what {@linkcode ExitCounts.allocate} gave, in this isolate or another */
  constructor(readonly memory: SharedArrayBuffer) {
    this.#counts = new Float64Array(memory);
  }

  /** Zeroed counts. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(SLOTS * Float64Array.BYTES_PER_ELEMENT);
  }

  /** Adds one. Only the vCPU's own isolate does it, so it needs no atomics. */
  count(reason: number): void {
    this.#counts[reason < SLOTS ? reason : SLOTS - 1]++;
  }

  /** All exits. */
  get total(): number {
    return this.#counts.reduce((sum, n) => sum + n, 0);
  }

  /** The counts that are not zero, by the exit's name. */
  byName(): Record<string, number> {
    const named: Record<string, number> = {};
    for (const [reason, n] of this.#counts.entries()) {
      if (n > 0) named[exitReasonName(reason)] = n;
    }
    return named;
  }
}

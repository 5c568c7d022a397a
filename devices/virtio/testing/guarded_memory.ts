/**
 * Guest memory with guards around it: what is written beside RAM is seen.
 * @module
 */
import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/memory/mod.ts";

/** How much is guarded before, between and behind the regions. */
const GUARD = 4096;
const GUARD_WORD = 0x5ca1ab1e;

/**
 * Two regions whose guest addresses adjoin and whose bytes do not. In the second is an island, which nothing that a
 * device may write to ever covers.
 */
export class GuardedMemory {
  readonly memory: GuestMemory;
  /** The guest addresses of the island. */
  readonly island: { readonly start: number; readonly end: number };
  readonly #guards: readonly Uint32Array[];

  /** @param first and @param second bytes, multiples of 8192 */
  constructor(first: number, second: number) {
    const buffer = new SharedArrayBuffer(first + second + 3 * GUARD);
    const byteOffset = GUARD + first + GUARD;
    this.memory = GuestMemory.attach({
      regions: [
        { guestAddress: 0, size: first, buffer, byteOffset: GUARD },
        { guestAddress: first, size: second, buffer, byteOffset },
      ],
    });
    const middle = second / 2;
    this.island = { start: first + middle, end: first + middle + GUARD };
    this.#guards = [0, GUARD + first, byteOffset + second, byteOffset + middle].map((at) =>
      new Uint32Array(buffer, at, GUARD / 4).fill(GUARD_WORD)
    );
  }

  /** Whether a range touches the island. */
  touchesIsland(address: number, length: number): boolean {
    return address < this.island.end && address + length > this.island.start;
  }

  /** @throws {assert.AssertionError} something was written where nothing may be */
  check(): void {
    for (let guard = 0; guard < this.#guards.length; guard++) {
      const words = this.#guards[guard];
      for (let i = 0; i < words.length; i++) {
        if (words[i] === GUARD_WORD) continue;
        const where = ["before", "between", "behind", "inside"][guard];
        assert.fail(`the device wrote ${where} the regions of RAM, at byte ${4 * i} of the guard`);
      }
    }
  }
}

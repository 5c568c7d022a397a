/**
 * Guest pages back to the host, in runs as long as possible: one system call for each.
 * @module
 */
import { discardPages, MADV_DONTNEED, MADV_REMOVE } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";

/** Gathers pages that follow each other, in either direction. Reading one afterwards gives zeros. */
export class Discarder {
  readonly #memory: GuestMemory;
  #start = 0;
  #end = 0;
  /** The bytes that went back to the host. */
  discarded = 0;
  /** How many runs the host refused: memory of huge pages can't be given back in small ones. */
  refused = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Takes a range, of whole pages and in RAM. */
  add(address: number, length: number): void {
    if (address === this.#end && this.#end > this.#start) this.#end += length;
    else if (address + length === this.#start && this.#end > this.#start) this.#start = address;
    else {
      this.flush();
      this.#start = address;
      this.#end = address + length;
    }
  }

  /** Gives back what was gathered. */
  flush(): void {
    const length = this.#end - this.#start;
    if (length === 0) return;
    // Two regions that adjoin have their memory in two places.
    if (this.#memory.slices(this.#start, length).length === 1) {
      const result = discardPages(
        this.#memory.hostAddress(this.#start, length),
        length,
        this.#isAnonymous(this.#start) ? MADV_DONTNEED : MADV_REMOVE,
      );
      if (result === 0) this.discarded += length;
      else this.refused++;
    } else this.refused++;
    this.#start = this.#end = 0;
  }

  /** Whether the memory at an address is of no descriptor. */
  #isAnonymous(address: number): boolean {
    for (const { guestAddress, size, anonymous } of this.#memory.regions) {
      if (address >= guestAddress && address < guestAddress + size) return anonymous === true;
    }
    return false;
  }
}

/**
 * The device behind an address that exits are measured with: one byte that is written and read, and
 * nothing else, as the loop in C has it. Its state is in shared memory, like that of every device.
 * @module
 */
import type { AccessSize, BusDevice } from "../src/bus/mod.ts";

/** The latch's shared state, zeroed. */
export function allocateLatch(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** The latch in one isolate. */
export class Latch implements BusDevice {
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** @param state what {@linkcode allocateLatch} gave, in this isolate or another */
  constructor(state: SharedArrayBuffer) {
    this.#words = new Int32Array(state);
  }

  read(_offset: number, _size: AccessSize): number {
    return this.#words[0];
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.#words[0] = value & 0xff;
  }
}

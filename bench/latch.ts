/**
 * The device behind an address that exits are measured with: one byte that is written and read, and
 * nothing else, as the loop in C has it. Its state is in shared memory, like that of every device.
 * @module
 */
import { type AccessSize, type BusDevice, DeviceLock } from "../src/bus/mod.ts";

const VALUE = 0;
const LOCK = 1;
const WORDS = 2;

/** The latch's shared state, zeroed. */
export function allocateLatch(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The latch in one isolate. */
export class Latch implements BusDevice {
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** For machines with several vCPUs. */
  readonly lock: DeviceLock;

  /** @param state what {@linkcode allocateLatch} gave, in this isolate or another */
  constructor(state: SharedArrayBuffer) {
    this.#words = new Int32Array(state);
    this.lock = new DeviceLock(this.#words, LOCK);
  }

  read(_offset: number, _size: AccessSize): number {
    return this.#words[VALUE];
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.#words[VALUE] = value & 0xff;
  }
}

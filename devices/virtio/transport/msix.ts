/**
 * A device's interrupt vectors as its guest sees them: the MSI-X table, the pending bits and the masks.
 *
 * A message goes out through an irqfd, by the route of its GSI. So the route is made before the vector is opened:
 * once it's open, the I/O isolate may send at any moment (interrupts.ts).
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | a vector's address | a vector whose address is no interrupt message's stays closed; KVM is not asked |
 * | how often it changes entries | a route is made only where an open vector's message differs from the route |
 * | entries beyond the table | read 0 and take nothing |
 *
 * Source: PCI 3.0, 6.8.2 and 6.8.3.
 *
 * @module
 */
import type { IrqLine } from "../../../src/bus/mod.ts";
import type { MachineWiring } from "../../device.ts";
import type { MessageRange } from "../../pci/function.ts";
import { isOpen } from "../interrupts.ts";
import { Msix, VectorMask, VectorWord, type VirtioShared, Word } from "../shared.ts";

/** The fields of an entry, each a doubleword (6.8.2.6 to 6.8.2.9). */
const Field = { addressLow: 0, addressHigh: 1, data: 2, control: 3 } as const;
const MASK_BIT = 1;

/** The vectors of one device in a vCPU's isolate. */
export class MsixVectors {
  readonly #shared: VirtioShared;
  readonly #gsis: readonly number[];
  readonly #lines: readonly IrqLine[];
  readonly #messages: MessageRange;
  readonly #wiring: MachineWiring;

  /** @param vectors the GSI of each vector, and what signals it */
  constructor(
    shared: VirtioShared,
    vectors: readonly { readonly gsi: number; readonly line: IrqLine }[],
    messages: MessageRange,
    wiring: MachineWiring,
  ) {
    this.#shared = shared;
    this.#gsis = vectors.map(({ gsi }) => gsi);
    this.#lines = vectors.map(({ line }) => line);
    this.#messages = messages;
    this.#wiring = wiring;
  }

  /** Reads a doubleword of the table. @param index counts doublewords */
  readTable(index: number): number {
    const vector = index >> 2;
    if (vector >= this.#gsis.length) return 0;
    switch (index & 3) {
      case Field.addressLow:
        return this.#shared.vector(vector, VectorWord.addressLow);
      case Field.addressHigh:
        return this.#shared.vector(vector, VectorWord.addressHigh);
      case Field.data:
        return this.#shared.vector(vector, VectorWord.data);
      default:
        return this.#shared.vector(vector, VectorWord.masked) & VectorMask.driver;
    }
  }

  /** Writes a doubleword of the table. */
  writeTable(index: number, value: number): void {
    const vector = index >> 2;
    if (vector >= this.#gsis.length) return;
    let mask = this.#shared.vector(vector, VectorWord.masked) & VectorMask.driver;
    switch (index & 3) {
      case Field.addressLow:
        this.#shared.setVector(vector, VectorWord.addressLow, value & ~3);
        break;
      case Field.addressHigh:
        this.#shared.setVector(vector, VectorWord.addressHigh, value);
        break;
      case Field.data:
        this.#shared.setVector(vector, VectorWord.data, value);
        break;
      default:
        mask = (value & MASK_BIT) !== 0 ? VectorMask.driver : 0;
    }
    mask |= this.#addressMask(vector);
    if (mask === 0 && this.#shared.get(Word.msix) === Msix.enabled) this.#route(vector);
    this.#shared.setVector(vector, VectorWord.masked, mask);
    this.#sendPending(vector);
  }

  /** Reads 32 of the pending bits. @param index counts doublewords */
  readPending(index: number): number {
    let bits = 0;
    const first = index * 32;
    for (let i = 0; i < 32 && first + i < this.#gsis.length; i++) {
      bits |= this.#shared.vector(first + i, VectorWord.pending) << i;
    }
    return bits >>> 0;
  }

  /** What the message control register says: {@linkcode Msix}. */
  control(bits: number): void {
    if (bits === this.#shared.get(Word.msix)) return;
    if (bits === Msix.enabled) this.#routeUnmasked();
    this.#shared.set(Word.msix, bits);
    for (let vector = 0; vector < this.#gsis.length; vector++) this.#sendPending(vector);
  }

  /** Makes the routes that the vectors need, after a restore. */
  rewire(): void {
    for (let vector = 0; vector < this.#gsis.length; vector++) {
      const mask = this.#shared.vector(vector, VectorWord.masked) & VectorMask.driver;
      this.#shared.setVector(vector, VectorWord.masked, mask | this.#addressMask(vector));
    }
    if (this.#shared.get(Word.msix) === Msix.enabled) this.#routeUnmasked();
  }

  #routeUnmasked(): void {
    for (let vector = 0; vector < this.#gsis.length; vector++) {
      if (this.#shared.vector(vector, VectorWord.masked) === 0) this.#route(vector);
    }
  }

  /** Keeps a vector closed whose address is no interrupt message's. */
  #addressMask(vector: number): number {
    const { base, size } = this.#messages;
    const address = this.#shared.vector(vector, VectorWord.addressLow);
    const isMessage = this.#shared.vector(vector, VectorWord.addressHigh) === 0 &&
      address >= base && address < base + size;
    return isMessage ? 0 : VectorMask.address;
  }

  #route(vector: number): void {
    const shared = this.#shared;
    const low = shared.vector(vector, VectorWord.addressLow);
    const high = shared.vector(vector, VectorWord.addressHigh);
    const data = shared.vector(vector, VectorWord.data);
    if (
      shared.vector(vector, VectorWord.routed) === 1 &&
      shared.vector(vector, VectorWord.routedLow) === low &&
      shared.vector(vector, VectorWord.routedHigh) === high &&
      shared.vector(vector, VectorWord.routedData) === data
    ) return;
    this.#wiring.routeMsi(this.#gsis[vector], high, low, data);
    shared.setVector(vector, VectorWord.routedLow, low);
    shared.setVector(vector, VectorWord.routedHigh, high);
    shared.setVector(vector, VectorWord.routedData, data);
    shared.setVector(vector, VectorWord.routed, 1);
  }

  /** Sends what was held back, now that the vector may be open. */
  #sendPending(vector: number): void {
    if (!isOpen(this.#shared, vector)) return;
    if (this.#shared.setVector(vector, VectorWord.pending, 0) === 1) this.#lines[vector].trigger();
  }
}

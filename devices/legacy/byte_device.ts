/**
 * A chip with 8-bit registers on a bus that also carries wider accesses.
 *
 * @module
 */

import type { AccessSize, BusDevice } from "../../src/bus/mod.ts";

/**
 * Splits wider accesses into byte accesses at consecutive addresses, lowest first, as the bus
 * controller of a PC/AT does for an 8-bit ISA card.
 */
export abstract class ByteDevice implements BusDevice {
  /** Reads the register at `offset`: 0 to 255. */
  protected abstract readByte(offset: number): number;

  /** Writes 0 to 255 to the register at `offset`. */
  protected abstract writeByte(offset: number, value: number): void;

  read(offset: number, size: AccessSize): number {
    let value = this.readByte(offset);
    for (let i = 1; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }
}

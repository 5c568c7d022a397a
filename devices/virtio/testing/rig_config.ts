/**
 * A device's configuration space in a test.
 * @module
 */
import assert from "node:assert/strict";
import type { ConfigSpace } from "../module.ts";

/** The configuration space, from both ends. */
export class RigConfig implements ConfigSpace {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How often the device has changed it: its generation, and the configuration change interrupts. */
  changes = 0;

  /** @param initial is copied */
  constructor(initial: Uint8Array) {
    this.bytes = Uint8Array.from(initial);
  }

  update(offset: number, bytes: Uint8Array): void {
    assert(
      offset >= 0 && offset + bytes.length <= this.bytes.length,
      `bytes ${offset} to ${offset + bytes.length} are not in the configuration space`,
    );
    this.bytes.set(bytes, offset);
    this.changes++;
  }

  /** The driver's write, of which only what it may write gets through. */
  driverWrites(
    offset: number,
    bytes: Uint8Array,
    writable: readonly { readonly offset: number; readonly size: number }[],
  ): void {
    for (const [i, byte] of bytes.entries()) {
      const at = offset + i;
      const allowed = writable.some((range) =>
        at >= range.offset && at < range.offset + range.size
      );
      if (allowed) this.bytes[at] = byte;
    }
  }

  /** A little-endian field of 1, 2, 4 or 8 bytes; a number, so of 8 bytes one below 2^53. */
  field(offset: number, size: 1 | 2 | 4 | 8): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.bytes[offset + i];
    return value;
  }
}

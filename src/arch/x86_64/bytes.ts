/**
 * Bytes put together: what every firmware table is made of.
 * @module
 */
import { BootSetupError } from "./errors.ts";

/** Bytes of our own, not guest memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes and numbers (one byte each), one behind the other. */
export function concat(...parts: readonly (number | Uint8Array)[]): Bytes {
  const size = parts.reduce<number>(
    (n, part) => n + (typeof part === "number" ? 1 : part.length),
    0,
  );
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "number") bytes[at++] = part;
    else {
      bytes.set(part, at);
      at += part.length;
    }
  }
  return bytes;
}

/** `value` in `size` bytes, little-endian. */
export function little(value: number | bigint, size: 1 | 2 | 4 | 8): Bytes {
  const wide = BigInt(value);
  if (wide < 0n || wide >= 1n << BigInt(8 * size)) {
    throw new BootSetupError(`${value} does not fit into ${size} bytes`);
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, wide, true);
  return bytes.slice(0, size);
}

/** The byte that makes the sum of `bytes`, in which its own place is zero, a multiple of 256. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** Puts ASCII text at an offset. */
export function writeAscii(bytes: Uint8Array, offset: number, text: string): void {
  bytes.set(new TextEncoder().encode(text), offset);
}

/**
 * A flat image: bytes that go to one address as they are, and are entered where they are told to be.
 * It is never detected, since any file could be one.
 * @module
 */
import { LoadOptionError } from "./errors.ts";
import type { ImageSource } from "./image.ts";
import type { Piece } from "./pieces.ts";
import { hex, rangeText } from "./text.ts";

/** Where a flat image goes and starts. */
export interface FlatOptions {
  /** Guest physical address of its first byte. */
  readonly address: number;
  /** Guest physical address where it starts; its first byte by default. */
  readonly entry?: number;
}

/**
 * What to load of a flat image.
 *
 * @throws {LoadOptionError} an address that isn't one, or an entry outside of the image
 */
export function planFlat(
  image: ImageSource,
  { address, entry = address }: FlatOptions,
): { readonly entry: number; readonly piece: Piece } {
  if (!Number.isSafeInteger(address) || address < 0) {
    throw new LoadOptionError({
      file: image.name,
      field: "flat.address",
      value: address,
      problem: `${address} is not a guest physical address`,
      remedy: "give one that is in the guest's memory",
    });
  }
  const range = { start: address, end: address + image.size };
  if (!Number.isInteger(entry) || entry < range.start || entry >= range.end) {
    throw new LoadOptionError({
      file: image.name,
      field: "flat.entry",
      value: entry,
      problem: `the entry ${
        Number.isInteger(entry) && entry >= 0 ? hex(entry) : entry
      } is not in the image, which is loaded at ${rangeText(range)}`,
      remedy: "give an entry in it",
    });
  }
  const piece = { ...range, what: "the image", fileOffset: 0, fileSize: image.size };
  return { entry, piece };
}

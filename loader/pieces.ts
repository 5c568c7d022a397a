/**
 * The last step of every loader: pieces of a file, each with its place in guest memory, are checked
 * together and then loaded. Nothing is written before everything has been checked.
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";
import { PlacementError } from "./errors.ts";
import type { ImageSource } from "./image.ts";
import { type NamedRange, overlaps, ramRanges } from "./ranges.ts";
import { FOUR_GIB, mebibytesUpTo, rangeText, sizeText } from "./text.ts";

/** A piece of a file and its place; memory behind the file's bytes is zeroed. */
export interface Piece extends NamedRange {
  /** Where its bytes begin in the file. */
  readonly fileOffset: number;
  /** How many there are; the rest of the range is zeros. */
  readonly fileSize: number;
}

/**
 * Checks that each range is RAM, and free of the others and of what is reserved.
 *
 * @param file the file they come from, for messages
 * @param field what the error calls the place: `"p_paddr"`
 * @throws {PlacementError} naming the range and what is in its way
 */
export function checkPlaces(
  memory: GuestMemory,
  file: string,
  field: string,
  places: readonly NamedRange[],
  reserved: readonly NamedRange[],
): void {
  for (const place of places) {
    if (!memory.isRam(place.start, place.end - place.start)) {
      throw notRam(memory, file, field, place);
    }
    const hit = reserved.find((range) => overlaps(range, place));
    if (hit !== undefined) {
      throw new PlacementError({
        file,
        field,
        value: place.start,
        problem: `${place.what} at ${rangeText(place)} overlaps ${hit.what} at ${rangeText(hit)}`,
        remedy: "link it to run elsewhere, 1 MiB or higher being free on a PC",
      });
    }
  }
  const sorted = [...places].sort((a, b) => a.start - b.start);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1], sorted[i]];
    if (!overlaps(before, after)) continue;
    throw new PlacementError({
      file,
      field,
      value: after.start,
      problem: `${before.what} at ${rangeText(before)} overlaps ${after.what} at ${
        rangeText(after)
      }`,
      remedy: "the file is damaged or wrongly linked: build it again",
    });
  }
}

/** Reads each piece straight into guest memory. They have been checked by {@link checkPlaces}. */
export function loadPieces(
  memory: GuestMemory,
  image: ImageSource,
  pieces: readonly Piece[],
): void {
  for (const { start, end, fileOffset, fileSize } of pieces) {
    readInto(memory, start, image, fileOffset, fileSize);
    memory.fill(start + fileSize, end - start - fileSize, 0);
  }
}

/** Reads `size` bytes of the image into guest memory, without a copy of them anywhere else. */
export function readInto(
  memory: GuestMemory,
  address: number,
  image: ImageSource,
  offset: number,
  size: number,
): void {
  let at = offset;
  for (const slice of memory.slices(address, size)) {
    image.read(at, slice);
    at += slice.length;
  }
}

function notRam(
  memory: GuestMemory,
  file: string,
  field: string,
  place: NamedRange,
): PlacementError {
  const ram = ramRanges(memory);
  // More memory helps where RAM ends too early below 4 GiB, not where it is in the way or far away.
  const end = ram[ram.length - 1].end;
  const helps = place.end <= FOUR_GIB && place.end > end;
  return new PlacementError({
    file,
    field,
    value: place.start,
    problem: `${place.what} (${sizeText(place.end - place.start)} at ${
      rangeText(place)
    }) is not within the guest's memory, ${ram.map(rangeText).join(" and ")}`,
    remedy: helps
      ? `give the guest at least ${mebibytesUpTo(place.end)} of memory`
      : "link it to a physical address that is RAM, with AT() in the linker script where the virtual one differs",
  });
}

/**
 * Ranges of guest physical addresses: what is RAM, what of it is taken, and where there is room.
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";

/** Guest physical addresses from `start` up to, but not including, `end`. */
export interface GuestRange {
  readonly start: number;
  readonly end: number;
}

/** A range that something has, and what that is, for messages: `"the page tables"`. */
export interface NamedRange extends GuestRange {
  readonly what: string;
}

/** Whether the two have an address in common. */
export function overlaps(a: GuestRange, b: GuestRange): boolean {
  return a.start < b.end && b.start < a.end;
}

/** `value` rounded up to a multiple of `alignment`. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** `value` rounded down to a multiple of `alignment`. */
export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

/** RAM in the order of its addresses, with regions that adjoin as one range. */
export function ramRanges(memory: GuestMemory): GuestRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { guestAddress: start, size } of memory.regions) {
    const last = ranges.at(-1);
    if (last?.end === start) last.end += size;
    else ranges.push({ start, end: start + size });
  }
  return ranges;
}

/** What is left of `ranges` without what `taken` covers, in order. */
export function without(
  ranges: readonly GuestRange[],
  taken: readonly GuestRange[],
): GuestRange[] {
  const sorted = taken.filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
  const left: GuestRange[] = [];
  for (const { start, end } of ranges) {
    let from = start;
    for (const hole of sorted) {
      if (hole.start >= end) break;
      if (hole.end <= from) continue;
      if (hole.start > from) left.push({ start: from, end: hole.start });
      from = hole.end;
    }
    if (from < end) left.push({ start: from, end });
  }
  return left;
}

/** RAM that nothing in `taken` covers. */
export function freeRam(memory: GuestMemory, taken: readonly GuestRange[]): GuestRange[] {
  return without(ramRanges(memory), taken);
}

/** The parts of `ranges` in `bounds`. */
export function within(ranges: readonly GuestRange[], bounds: GuestRange): GuestRange[] {
  return ranges
    .map(({ start, end }) => ({
      start: Math.max(start, bounds.start),
      end: Math.min(end, bounds.end),
    }))
    .filter(({ start, end }) => start < end);
}

/** The lowest aligned address in `free` where `size` bytes fit, or undefined. */
export function lowestFit(
  free: readonly GuestRange[],
  size: number,
  alignment: number,
): number | undefined {
  for (const { start, end } of free) {
    const at = alignUp(start, alignment);
    if (at + size <= end) return at;
  }
  return undefined;
}

/** The highest aligned address in `free` where `size` bytes fit, or undefined. */
export function highestFit(
  free: readonly GuestRange[],
  size: number,
  alignment: number,
): number | undefined {
  for (const { start, end } of free.toReversed()) {
    const at = alignDown(end - size, alignment);
    if (at >= start) return at;
  }
  return undefined;
}

/** The size of the largest range, or zero. */
export function largest(ranges: readonly GuestRange[]): number {
  return ranges.reduce((most, { start, end }) => Math.max(most, end - start), 0);
}

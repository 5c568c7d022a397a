/**
 * How addresses, sizes and names are written in the loaders' messages.
 * @module
 */

/** 1 KiB. */
export const KIB = 1024;
/** 1 MiB. */
export const MIB = 1024 * KIB;
/** 4 GiB: the end of what a 32-bit address reaches. */
export const FOUR_GIB = 4096 * MIB;
/** The page size of every architecture that is loaded for. */
export const PAGE_SIZE = 4096;

/** `0x…`, as addresses are written everywhere. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** A range as `0x1000–0x2000`, its end excluded. */
export function rangeText(range: { readonly start: number; readonly end: number }): string {
  return `${hex(range.start)}–${hex(range.end)}`;
}

/** A number of bytes in the largest binary unit that leaves at least one, such as `13.5 MiB`. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 && bytes === 1 ? "1 byte" : `${Number(value.toFixed(1))} ${units[unit]}`;
}

/** The size in MiB that a guest must at least be given to reach `end`. */
export function mebibytesUpTo(end: number): string {
  return `${Math.ceil(end / MIB)} MiB`;
}

/** The last component of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

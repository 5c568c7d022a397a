/**
 * Placing an initrd or a module: as high as possible, where kernels expect it and don't unpack themselves
 * over it, whole pages, and read straight into guest memory.
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";
import { isBzImage } from "./bzimage_header.ts";
import { ELF_MAGIC } from "./elf_header.ts";
import { ImageFileError, KernelFormatError, PlacementError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import {
  alignUp,
  freeRam,
  type GuestRange,
  highestFit,
  largest,
  type NamedRange,
  ramRanges,
  within,
} from "./ranges.ts";
import { textStart } from "./sniff.ts";
import { FOUR_GIB, hex, mebibytesUpTo, MIB, PAGE_SIZE, rangeText, sizeText } from "./text.ts";

/** boot.rst: the highest address of an initrd for a kernel that doesn't tell (`initrd_addr_max`). */
export const DEFAULT_INITRD_ADDR_MAX = 0x37ff_ffff;

/** What a cpio archive begins with; its header is text. */
const CPIO_MAGIC = "07070";

/**
 * Finds the highest page-aligned place for an image.
 *
 * It is below 4 GiB, since the boot protocols have 32-bit addresses for it, and so below the hole for
 * devices there; at or above 1 MiB; and clear of `taken`.
 *
 * @param what what it is, for messages: `"initrd"`
 * @param taken the kernel with the memory it unpacks itself into, and everything reserved
 * @param addrMax the highest address that it may occupy
 * @throws {PlacementError} telling the sizes, what is in the way, and how much memory would do
 */
export function placeInitrd(
  memory: GuestMemory,
  image: ImageSource,
  what: string,
  taken: readonly NamedRange[],
  addrMax: number,
): GuestRange {
  const end = Math.min(addrMax + 1, FOUR_GIB);
  const free = within(freeRam(memory, taken), { start: MIB, end });
  const start = highestFit(free, alignUp(image.size, PAGE_SIZE), PAGE_SIZE);
  if (start !== undefined) return { start, end: start + image.size };
  throw noRoom(memory, image, what, taken, end, largest(free));
}

function noRoom(
  memory: GuestMemory,
  image: ImageSource,
  what: string,
  taken: readonly NamedRange[],
  limit: number,
  room: number,
): PlacementError {
  const size = alignUp(image.size, PAGE_SIZE);
  // More memory adds room above everything that is there now.
  const floor = Math.max(MIB, ...taken.filter(({ end }) => end <= limit).map(({ end }) => end));
  const needed = alignUp(alignUp(floor, PAGE_SIZE) + size, MIB);
  const kernel = taken.find((range) => range.end === floor);
  const beside = kernel === undefined ? "" : ` beside ${kernel.what} at ${rangeText(kernel)}`;
  const lowRam = ramRanges(memory)[0].end;
  return new PlacementError({
    file: image.name,
    field: "size",
    value: image.size,
    problem:
      `the ${what} of ${sizeText(image.size)} does not fit into the guest's memory${beside}: ` +
      `the largest free range below ${hex(limit)} has ${sizeText(room)}`,
    remedy: needed <= limit && needed > lowRam
      ? `give the guest at least ${mebibytesUpTo(needed)} of memory`
      : "make it smaller: no amount of memory makes room for it where the kernel can take it",
  });
}

/**
 * Refuses what can't be an initrd but is passed as one by mistake: a text, a kernel, nothing at all.
 * Anything else may be one, packed in a way that only the kernel knows.
 *
 * @throws {ImageFileError} an empty image
 * @throws {KernelFormatError} a text or a kernel
 */
export function checkInitrd(image: ImageSource): void {
  checkNotEmpty(image, "initrd");
  const head = readUpTo(image, 0, 1024);
  const text = textStart(head);
  const elf = head.length >= 4 && viewOf(head).getUint32(0, true) === ELF_MAGIC;
  const what = isBzImage(head) || elf
    ? "a kernel or another program"
    : text !== undefined && !text.startsWith(CPIO_MAGIC)
    ? `a text file, starting with ${JSON.stringify(text)}`
    : undefined;
  if (what === undefined) return;
  throw new KernelFormatError({
    file: image.name,
    field: "initrd",
    value: what,
    problem: `this is not an initrd but ${what}`,
    remedy: "give a cpio archive, packed or not, and see whether files were swapped",
  });
}

/** Refuses an image of no bytes, which has no place. */
export function checkNotEmpty(image: ImageSource, what: string): void {
  if (image.size > 0) return;
  throw new ImageFileError({
    file: image.name,
    field: "size",
    value: 0,
    problem: `the ${what} is empty`,
    remedy: "see whether the step that made it failed",
  });
}

/**
 * ELF notes of a kernel: where its PVH entry is, and which system it says it is.
 *
 * Format: System V ABI, "Note Section". The Xen notes are in Xen's `public/elfnote.h`; the PVH boot
 * protocol is Xen's `docs/misc/pvh.pandoc`.
 * @module
 */
import { KernelFormatError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import { alignUp } from "./ranges.ts";

/** Type 18 of Xen's notes: the 32-bit physical address where a PVH guest starts. */
const XEN_ELFNOTE_PHYS32_ENTRY = 18;
/** Type 6 of Xen's notes: the system's name, such as `linux`. */
const XEN_ELFNOTE_GUEST_OS = 6;
/** Bytes of n_namesz, n_descsz and n_type. */
const NOTE_HEADER_SIZE = 12;
/** The most bytes of notes that are read; Linux has about 512. */
const MAX_NOTES_SIZE = 1 << 20;

/** What a kernel's notes say. */
export interface KernelNotes {
  /** XEN_ELFNOTE_PHYS32_ENTRY: the guest physical address of the PVH entry. */
  readonly pvhEntry?: number;
  /** XEN_ELFNOTE_GUEST_OS. */
  readonly guestOs?: string;
}

/** A PT_NOTE segment's place in the file. */
export interface NoteSegment {
  readonly fileOffset: number;
  readonly fileSize: number;
  /** p_align: 8 where names and descriptors are padded to 8 bytes, anything else meaning 4. */
  readonly alignment: number;
}

/**
 * Reads the notes of all segments; the first note of each kind counts.
 *
 * The segments' places have been checked against the file's size.
 *
 * @throws {KernelFormatError} a note that does not fit in its segment, or an entry of a wrong size
 */
export function readKernelNotes(
  image: ImageSource,
  segments: readonly NoteSegment[],
): KernelNotes {
  const notes: { pvhEntry?: number; guestOs?: string } = {};
  for (const { fileOffset, fileSize, alignment } of segments) {
    if (fileSize > MAX_NOTES_SIZE) {
      throw bad(image, "p_filesz", fileSize, `a PT_NOTE segment has ${fileSize} bytes`);
    }
    const bytes = readUpTo(image, fileOffset, fileSize);
    readSegment(image, bytes, alignment === 8 ? 8 : 4, notes);
  }
  return notes;
}

function readSegment(
  image: ImageSource,
  bytes: Uint8Array<ArrayBuffer>,
  alignment: 4 | 8,
  notes: { pvhEntry?: number; guestOs?: string },
): void {
  const view = viewOf(bytes);
  let at = 0;
  while (at + NOTE_HEADER_SIZE <= bytes.length) {
    const nameSize = view.getUint32(at, true);
    const descSize = view.getUint32(at + 4, true);
    const type = view.getUint32(at + 8, true);
    const nameAt = at + NOTE_HEADER_SIZE;
    const descAt = alignUp(nameAt + nameSize, alignment);
    if (nameAt + nameSize > bytes.length) {
      throw bad(image, "n_namesz", nameSize, `a note's name of ${nameSize} bytes leaves PT_NOTE`);
    }
    if (descSize > 0 && descAt + descSize > bytes.length) {
      throw bad(image, "n_descsz", descSize, `a note's ${descSize} bytes leave PT_NOTE`);
    }
    if (text(bytes.subarray(nameAt, nameAt + nameSize)) === "Xen") {
      const desc = bytes.subarray(descAt, descAt + descSize);
      if (type === XEN_ELFNOTE_PHYS32_ENTRY) notes.pvhEntry ??= physical(image, desc);
      if (type === XEN_ELFNOTE_GUEST_OS) notes.guestOs ??= text(desc);
    }
    at = alignUp(descAt + descSize, alignment);
  }
}

/** The entry is a word of the kernel's class, 4 or 8 bytes, but must be a 32-bit address. */
function physical(image: ImageSource, desc: Uint8Array<ArrayBuffer>): number {
  const field = "XEN_ELFNOTE_PHYS32_ENTRY";
  if (desc.length !== 4 && desc.length !== 8) {
    const problem = `the PVH entry in its note has ${desc.length} bytes rather than 4 or 8`;
    throw bad(image, field, desc.length, problem);
  }
  const view = viewOf(desc);
  if (desc.length === 8 && view.getUint32(4, true) !== 0) {
    const value = view.getBigUint64(0, true);
    throw bad(image, field, value, `the PVH entry 0x${value.toString(16)} is not a 32-bit address`);
  }
  return view.getUint32(0, true);
}

/** Latin-1 text up to its NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, Math.min(end < 0 ? bytes.length : end, 64)));
}

function bad(
  image: ImageSource,
  field: string,
  value: number | bigint,
  problem: string,
): KernelFormatError {
  const remedy = "the file is damaged: copy or build it again";
  return new KernelFormatError({ file: image.name, field, value, problem, remedy });
}

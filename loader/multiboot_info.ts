/**
 * What a multiboot kernel is told: the Multiboot information structure, with the command line, the
 * modules, the memory map and the loader's name, built in guest memory as one block.
 *
 * Source: Multiboot Specification 0.6.96, 3.3 "Boot information format". The structure's address goes to
 * EBX and 0x2BADB002 to EAX (3.2 "Machine state"), which is up to whoever sets the registers. Not given:
 * a boot device, symbols, drives, a BIOS configuration table, APM, VBE and a framebuffer; there are none.
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";
import { PlacementError } from "./errors.ts";
import { viewOf } from "./image.ts";
import {
  freeRam,
  type GuestRange,
  highestFit,
  lowestFit,
  ramRanges,
  within,
  without,
} from "./ranges.ts";
import { FOUR_GIB, KIB, MIB, sizeText } from "./text.ts";

/** An entry of the memory map; `type` is as in an e820 map. */
export interface MemoryMapEntry extends GuestRange {
  /** 1 usable RAM, 3 ACPI tables, 4 to be kept on hibernation, 5 defective; anything else is reserved. */
  readonly type: number;
}

/** A module that has been placed. */
export interface PlacedModule extends GuestRange {
  /** What the kernel is told with it: arguments, or a name. */
  readonly cmdline: string;
}

/** What goes into the structure. */
export interface MultibootInfo {
  /** As it is given: no name of the kernel before it. */
  readonly cmdline: string;
  readonly modules: readonly PlacedModule[];
  readonly memoryMap: readonly MemoryMapEntry[];
}

/** boot_loader_name. */
const LOADER_NAME = "denovisor";
/** The structure up to and with vbe_interface_len; what is behind it belongs to flag 12. */
const INFO_SIZE = 88;
const MODULE_SIZE = 16;
/** A memory map entry, with its own size field before it. */
const MMAP_ENTRY_SIZE = 24;
/** mem_*, cmdline, mods_*, mmap_* and boot_loader_name are valid. */
const FLAGS = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9;
const USABLE = 1;

/** Real mode's interrupt vectors and the BIOS data area, which a kernel may want untouched. */
const BIOS_DATA: GuestRange = { start: 0, end: 0x500 };
/** From the usual place of the extended BIOS data area to the end of the first megabyte. */
export const LEGACY_HOLE: GuestRange = { start: 0x9fc00, end: MIB };

/** A PC's memory map made of its RAM, for a machine that gives none: RAM but for {@link LEGACY_HOLE}. */
export function pcMemoryMap(memory: GuestMemory): MemoryMapEntry[] {
  const ram = ramRanges(memory);
  const usable = without(ram, [LEGACY_HOLE]).map((range) => ({ ...range, type: USABLE }));
  const reserved = within(ram, LEGACY_HOLE).map((range) => ({ ...range, type: 2 }));
  return [...usable, ...reserved].sort((a, b) => a.start - b.start);
}

/** Bytes that the block takes. */
export function multibootInfoSize(info: MultibootInfo): number {
  const strings = [LOADER_NAME, info.cmdline, ...info.modules.map(({ cmdline }) => cmdline)];
  return stringsOffset(info) + strings.reduce((sum, text) => sum + encode(text).length, 0);
}

/**
 * Finds room for the block: in the first 640 KiB, or else as high as possible below 4 GiB.
 *
 * @throws {PlacementError} when there is none
 */
export function placeMultibootInfo(
  memory: GuestMemory,
  file: string,
  size: number,
  taken: readonly GuestRange[],
): number {
  const free = freeRam(memory, [...taken, BIOS_DATA, LEGACY_HOLE]);
  const low = lowestFit(within(free, { start: 0, end: LEGACY_HOLE.start }), size, 16);
  const at = low ?? highestFit(within(free, { start: MIB, end: FOUR_GIB }), size, 16);
  if (at !== undefined) return at;
  throw new PlacementError({
    file,
    field: "multiboot_info",
    value: size,
    problem: `there is no room below 4 GiB for the kernel's boot information of ${sizeText(size)}`,
    remedy: "give the guest more memory",
  });
}

/** Writes the block; `address` is from {@link placeMultibootInfo}. */
export function writeMultibootInfo(
  memory: GuestMemory,
  address: number,
  info: MultibootInfo,
): void {
  const bytes = new Uint8Array(multibootInfoSize(info));
  const view = viewOf(bytes);
  let text = stringsOffset(info);
  const addString = (value: string): number => {
    const at = text;
    const encoded = encode(value);
    bytes.set(encoded, at);
    text += encoded.length;
    return address + at;
  };
  const mmapOffset = INFO_SIZE + info.modules.length * MODULE_SIZE;
  const set = (offset: number, value: number) => view.setUint32(offset, value, true);
  set(0, FLAGS);
  set(4, lowerKib(info.memoryMap));
  set(8, upperKib(info.memoryMap));
  set(16, addString(info.cmdline));
  set(20, info.modules.length);
  set(24, address + INFO_SIZE);
  set(44, info.memoryMap.length * MMAP_ENTRY_SIZE);
  set(48, address + mmapOffset);
  set(64, addString(LOADER_NAME));
  for (const [i, { start, end, cmdline }] of info.modules.entries()) {
    const at = INFO_SIZE + i * MODULE_SIZE;
    set(at, start);
    set(at + 4, end);
    set(at + 8, addString(cmdline));
  }
  for (const [i, { start, end, type }] of info.memoryMap.entries()) {
    const at = mmapOffset + i * MMAP_ENTRY_SIZE;
    set(at, MMAP_ENTRY_SIZE - 4);
    view.setBigUint64(at + 4, BigInt(start), true);
    view.setBigUint64(at + 12, BigInt(end - start), true);
    set(at + 20, type);
  }
  memory.write(address, bytes);
}

function stringsOffset({ modules, memoryMap }: MultibootInfo): number {
  return INFO_SIZE + modules.length * MODULE_SIZE + memoryMap.length * MMAP_ENTRY_SIZE;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** mem_lower: KiB of RAM from address 0, at most 640. */
function lowerKib(map: readonly MemoryMapEntry[]): number {
  return Math.floor(Math.min(usableFrom(map, 0), 640 * KIB) / KIB);
}

/** mem_upper: KiB of RAM from 1 MiB up to the first hole. */
function upperKib(map: readonly MemoryMapEntry[]): number {
  return Math.min(Math.floor((usableFrom(map, MIB) - MIB) / KIB), 0xffff_ffff);
}

/** The end of the RAM that begins at or before `address` and has it, through entries that adjoin. */
function usableFrom(map: readonly MemoryMapEntry[], address: number): number {
  const sorted = map.filter(({ type }) => type === USABLE).sort((a, b) => a.start - b.start);
  let end = address;
  for (const entry of sorted) {
    if (entry.start <= end && entry.end > end) end = entry.end;
  }
  return end;
}

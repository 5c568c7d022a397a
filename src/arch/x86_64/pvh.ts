/**
 * PVH's start info: what a kernel with a XEN_ELFNOTE_PHYS32_ENTRY note finds at EBX.
 *
 * Source: Xen's public headers (arch-x86/hvm/start_info.h, version 1) and docs/misc/pvh.pandoc.
 *
 * @module
 */
import type { BootImage } from "./boot_image.ts";
import type { E820Entry } from "./e820.ts";
import { checkFits, COMMAND_LINE, PVH_START_INFO } from "./memory_map.ts";

/** XEN_HVM_START_MAGIC_VALUE: "xEn3" with the top bit of its 'E' set. */
export const PVH_MAGIC = 0x336e_c578;
/** The version with a memory map. */
const VERSION = 1;
const START_INFO_SIZE = 56;
const MODULE_SIZE = 32;
const MEMMAP_ENTRY_SIZE = 24;

/** Byte offsets in struct hvm_start_info. */
const StartInfo = Object.freeze({
  magic: 0,
  version: 4,
  flags: 8,
  nr_modules: 12,
  modlist_paddr: 16,
  cmdline_paddr: 24,
  rsdp_paddr: 32,
  memmap_paddr: 40,
  memmap_entries: 48,
});

/**
 * The bytes for {@link PVH_START_INFO}: hvm_start_info, the module list (the initrd, if there is one) and
 * the memory map, one behind the other. The command line goes to {@link COMMAND_LINE}.
 *
 * @throws {BootSetupError} a memory map that does not fit
 */
export function buildPvhStartInfo(
  image: BootImage,
  memoryMap: readonly E820Entry[],
  rsdp: number,
): Uint8Array<ArrayBuffer> {
  const modules = image.initrd === undefined ? [] : [image.initrd];
  const modlist = START_INFO_SIZE;
  const memmap = modlist + modules.length * MODULE_SIZE;
  const size = memmap + memoryMap.length * MEMMAP_ENTRY_SIZE;
  checkFits(size, PVH_START_INFO);

  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const address = (offset: number) => BigInt(PVH_START_INFO.base + offset);
  view.setUint32(StartInfo.magic, PVH_MAGIC, true);
  view.setUint32(StartInfo.version, VERSION, true);
  view.setUint32(StartInfo.flags, 0, true);
  view.setUint32(StartInfo.nr_modules, modules.length, true);
  view.setBigUint64(StartInfo.modlist_paddr, modules.length > 0 ? address(modlist) : 0n, true);
  view.setBigUint64(StartInfo.cmdline_paddr, BigInt(COMMAND_LINE.base), true);
  view.setBigUint64(StartInfo.rsdp_paddr, BigInt(rsdp), true);
  view.setBigUint64(StartInfo.memmap_paddr, address(memmap), true);
  view.setUint32(StartInfo.memmap_entries, memoryMap.length, true);
  for (const [i, module] of modules.entries()) {
    const at = modlist + i * MODULE_SIZE;
    view.setBigUint64(at, BigInt(module.address), true);
    view.setBigUint64(at + 8, BigInt(module.size), true);
  }
  for (const [i, entry] of memoryMap.entries()) {
    const at = memmap + i * MEMMAP_ENTRY_SIZE;
    view.setBigUint64(at, BigInt(entry.base), true);
    view.setBigUint64(at + 8, BigInt(entry.size), true);
    view.setUint32(at + 16, entry.type, true);
  }
  return bytes;
}

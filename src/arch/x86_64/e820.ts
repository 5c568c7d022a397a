/**
 * The memory map that the guest is told: E820 entries, as the zero page and PVH's start info carry them.
 * @module
 */
import type { RamRange } from "../../memory/mod.ts";
import { BootSetupError, hex } from "./errors.ts";
import {
  ACPI_TABLES,
  HIGH_MEMORY_START,
  KVM_IDENTITY_MAP,
  KVM_TSS,
  LEGACY_HOLE,
} from "./memory_map.ts";

/** Address range types (ACPI 6.5, table 15.6; the same numbers in Xen's hvm_memmap_table_entry). */
export const E820Type = Object.freeze({ RAM: 1, RESERVED: 2, ACPI: 3, NVS: 4, UNUSABLE: 5 });

/** One entry: a range of guest physical addresses in bytes, and its {@link E820Type}. */
export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: number;
}

/**
 * The map of a guest with RAM at `ram`, in the order of addresses.
 *
 * The BIOS area and KVM's own pages are reserved. The legacy hole is not
 * listed, so that nothing is put there, although RAM is behind it.
 *
 * @param ram the RAM's ranges; the first begins at 0 and reaches above 1 MiB
 * @param reserved what else the guest must keep away from: the PCI ECAM, for one
 * @throws {BootSetupError} ranges that overlap, or RAM that ends below 1 MiB
 */
export function e820Map(ram: readonly RamRange[], reserved: readonly Range[] = []): E820Entry[] {
  const [low, ...high] = ram;
  if (low === undefined || low.guestAddress !== 0 || low.size <= HIGH_MEMORY_START) {
    throw new BootSetupError("the first range of RAM must begin at 0 and reach above 1 MiB");
  }

  const kvmEnd = KVM_TSS.base + KVM_TSS.size;
  const entries = [
    entry(0, LEGACY_HOLE.base, E820Type.RAM),
    entry(ACPI_TABLES.base, HIGH_MEMORY_START, E820Type.RESERVED),
    entry(HIGH_MEMORY_START, low.size, E820Type.RAM),
    entry(KVM_IDENTITY_MAP.base, kvmEnd, E820Type.RESERVED),
    ...high.map((r) => entry(r.guestAddress, r.guestAddress + r.size, E820Type.RAM)),
    ...reserved.map((r) => entry(r.base, r.base + r.size, E820Type.RESERVED)),
  ].sort((a, b) => a.base - b.base);
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1];
    if (before.base + before.size > entries[i].base) {
      throw new BootSetupError(
        `the memory map's entries at ${hex(before.base)} and ${hex(entries[i].base)} overlap`,
      );
    }
  }
  return entries;
}

interface Range {
  readonly base: number;
  readonly size: number;
}

function entry(base: number, end: number, type: number): E820Entry {
  return { base, size: end - base, type };
}

/**
 * The guest physical memory map of an x86-64 machine.
 *
 * ```
 * 0x0000_0000  RAM: the structures of the boot below 640 KiB, then free
 * 0x000a_0000  the legacy hole: display memory and option ROMs on a PC, nothing here
 * 0x000e_0000  RSDP and ACPI tables ┐ announced as reserved, where a PC has its BIOS: the two places
 * 0x000f_0000  MP table             ┘ in which a kernel without our hints searches for them
 * 0x0010_0000  RAM up to the device hole
 * 0xc000_0000  device hole: PCI window, ECAM, virtio-mmio, users' own devices, IOAPIC, LAPIC, KVM's own pages
 * 0x1_0000_0000 the rest of the RAM
 * ```
 *
 * @module
 */
import type { RamRange } from "../../memory/mod.ts";
import { BootSetupError, hex } from "./errors.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** A range of guest physical addresses in bytes, with the name that errors and logs give it. */
export interface NamedRange {
  readonly name: string;
  readonly base: number;
  readonly size: number;
}

function range(name: string, base: number, size: number): NamedRange {
  return Object.freeze({ name, base, size });
}

// ---- Below 1 MiB: what the VMM leaves for the guest, at the state of the first instruction. ----

/** The descriptors that the first segment registers were loaded from; after the BIOS data area, which ends at 0x500. */
export const GDT = range("GDT", 0x500, 0x80);
/** boot_params of the Linux protocols: one page. */
export const ZERO_PAGE = range("zero page", 0x1000, 4 * KIB);
/** hvm_start_info with its memory map and module list: one page. */
export const PVH_START_INFO = range("PVH start info", 0x2000, 4 * KIB);
/** A stack for kernels that push before they have one. It grows down from {@link BOOT_STACK_TOP}. */
export const BOOT_STACK = range("boot stack", 0x8000, 4 * KIB);
/** The initial stack pointer: 16 bytes below the end, as the psABI wants it at a call. */
export const BOOT_STACK_TOP = BOOT_STACK.base + BOOT_STACK.size - 16;
/** The command line with its NUL. Linux keeps 2 KiB of it; others take more. */
export const COMMAND_LINE = range("command line", 0x2_0000, 64 * KIB);
/** PML4, one page-directory-pointer table and up to 62 page directories: see paging.ts. */
export const PAGE_TABLES = range("page tables", 0x4_0000, 256 * KIB);

/** Display memory and option ROMs on a PC: there is RAM behind it here, but no kernel expects any. */
export const LEGACY_HOLE = range("legacy hole", 0xa_0000, 256 * KIB);
/** RSDP, which kernels search in 0xe0000–0xfffff (ACPI 6.5, 5.2.5.1), and behind it the tables. */
export const ACPI_TABLES = range("ACPI tables", 0xe_0000, 64 * KIB);
/** The MP floating pointer, which kernels search in 0xf0000–0xfffff (MP 1.4, chapter 4), and its table. */
export const MP_TABLE = range("MP table", 0xf_0000, 64 * KIB - 16);
/** Where a processor begins after reset, as real mode reaches it: F000:FFF0. See reset_vector.ts. */
export const RESET_VECTOR = range("reset vector", 0xf_fff0, 16);
/** Where memory above the BIOS begins, and where Linux's protocols load a kernel by default. */
export const HIGH_MEMORY_START = MIB;

// ---- The device hole below 4 GiB. ----

/** The hole's range: RAM stops at its base and goes on at 4 GiB. 32-bit devices need addresses too. */
export const DEVICE_HOLE = range("device hole", 0xc000_0000, 0x4000_0000);
/** Where RAM goes on. */
export const HIGH_RAM_START = 4 * GIB;
/** For BARs of PCI devices, all of which 32-bit addresses reach. */
export const PCI_MMIO32 = range("PCI MMIO", 0xc000_0000, 0x2000_0000);
/** PCI Express configuration space of bus 0, the only one: kernels have no others to scan. */
export const PCI_ECAM = range("PCI ECAM", 0xe000_0000, MIB);
/** Register windows of virtio-mmio devices, {@link VIRTIO_MMIO_WINDOW} bytes each. */
export const VIRTIO_MMIO = range("virtio-mmio", 0xf000_0000, 0x0100_0000);
/** One page for each virtio-mmio device, so that a guest can map each alone. */
export const VIRTIO_MMIO_WINDOW = 4 * KIB;
/** Registers of devices that users have written. */
export const USER_MMIO = range("users' devices", 0xf100_0000, 0x0100_0000);
/** The I/O APIC of KVM's interrupt controller, at the address that every PC uses (82093AA, 3.0). */
export const IOAPIC = range("IOAPIC", 0xfec0_0000, 4 * KIB);
/** The local APICs, at their reset address (Intel SDM volume 3, 11.4.1). */
export const LAPIC = range("LAPIC", 0xfee0_0000, 4 * KIB);
/** Where a write is an interrupt message: the fixed bits of an address (Intel SDM volume 3, 11.11.1). */
export const MESSAGES = range("interrupt messages", 0xfee0_0000, MIB);
/** One page that KVM uses as page table for real mode on Intel hosts without unrestricted guests. */
export const KVM_IDENTITY_MAP = range("KVM identity map", 0xfffb_c000, 4 * KIB);
/** Three pages that KVM uses as TSS for the same end (KVM_SET_TSS_ADDR). */
export const KVM_TSS = range("KVM TSS", 0xfffb_d000, 12 * KIB);

/** The least RAM that holds the structures above, with room for a payload. */
export const MINIMUM_RAM = 2 * MIB;

/**
 * Where `bytes` of RAM are for the guest: from 0 to the device hole, the rest from 4 GiB on.
 *
 * @param bytes whole pages of 4 KiB
 * @throws {BootSetupError} less than {@link MINIMUM_RAM}, or not whole pages
 */
export function ramRanges(bytes: number): RamRange[] {
  if (!Number.isSafeInteger(bytes) || bytes < MINIMUM_RAM) {
    throw new BootSetupError(`${bytes} bytes of RAM are too few: give at least ${MINIMUM_RAM}`);
  }
  if (bytes % (4 * KIB) !== 0) {
    throw new BootSetupError(`${bytes} bytes of RAM are not whole pages of 4096 bytes`);
  }
  const low = { guestAddress: 0, size: Math.min(bytes, DEVICE_HOLE.base) };
  if (low.size === bytes) return [low];
  return [low, { guestAddress: HIGH_RAM_START, size: bytes - low.size }];
}

/**
 * The most RAM that a guest with `physicalAddressBits` can reach (CPUID 0x80000008 EAX[7:0]).
 *
 * The device hole costs as much as it is large.
 */
export function maximumRam(physicalAddressBits: number): number {
  return 2 ** physicalAddressBits - DEVICE_HOLE.size;
}

/** How the guest's first instruction is reached: boot_registers.ts says what each means. */
export type BootProtocol =
  | "linux64"
  | "linux32"
  | "pvh"
  | "multiboot"
  | "flat64"
  | "flat32"
  | "flat16";

/**
 * What a loader must not put anything into, for each protocol: the structures that the machine writes
 * itself, and everything between 640 KiB and 1 MiB.
 */
export function reservedRanges(protocol: BootProtocol): readonly NamedRange[] {
  return RESERVED[protocol];
}

const BELOW_1_MIB = [LEGACY_HOLE, ACPI_TABLES, MP_TABLE, RESET_VECTOR];
const RESERVED: Readonly<Record<BootProtocol, readonly NamedRange[]>> = {
  linux64: [GDT, ZERO_PAGE, BOOT_STACK, COMMAND_LINE, PAGE_TABLES, ...BELOW_1_MIB],
  linux32: [GDT, ZERO_PAGE, BOOT_STACK, COMMAND_LINE, ...BELOW_1_MIB],
  pvh: [GDT, PVH_START_INFO, BOOT_STACK, COMMAND_LINE, ...BELOW_1_MIB],
  multiboot: [GDT, BOOT_STACK, ...BELOW_1_MIB],
  flat64: [GDT, BOOT_STACK, PAGE_TABLES, ...BELOW_1_MIB],
  flat32: [GDT, BOOT_STACK, ...BELOW_1_MIB],
  // A real-mode image needs no descriptors; its stack is below it or where it puts one.
  flat16: BELOW_1_MIB,
};

/**
 * Refuses RAM that does not hold a structure.
 *
 * @throws {BootSetupError} naming the structure
 */
export function checkFits(size: number, into: NamedRange): void {
  if (size > into.size) {
    throw new BootSetupError(
      `the ${into.name} needs ${size} bytes, but its place at ${hex(into.base)} has ${into.size}`,
    );
  }
}

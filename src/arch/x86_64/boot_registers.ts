/**
 * The state of the boot processor at the guest's first instruction, for each protocol.
 *
 * Sources: Documentation/arch/x86/boot.rst ("32-bit Boot Protocol", "64-bit Boot Protocol"), Xen's
 * docs/misc/pvh.pandoc, Multiboot Specification 0.6.96 section 3.2, Intel SDM volume 3.
 *
 * @module
 */
import type { BootImage } from "./boot_image.ts";
import { BootSetupError, hex } from "./errors.ts";
import {
  BOOT_TSS,
  CODE32,
  CODE64,
  FLAT_DATA,
  gdtBytes,
  realModeSegment,
  type Segment,
} from "./gdt.ts";
import { BOOT_STACK_TOP, GDT, PVH_START_INFO, ZERO_PAGE } from "./memory_map.ts";
import { PML4_ADDRESS } from "./paging.ts";

const CR0_PE = 1n << 0n;
const CR0_MP = 1n << 1n;
/** Hard-wired to one. */
const CR0_ET = 1n << 4n;
const CR0_NE = 1n << 5n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_OSFXSR = 1n << 9n;
const CR4_OSXMMEXCPT = 1n << 10n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
/** Bit 1 of RFLAGS is always set; IF is clear in every protocol. */
const RFLAGS_RESERVED = 1n << 1n;
/** What a multiboot kernel finds in EAX. */
export const MULTIBOOT_BOOTLOADER_MAGIC = 0x2bad_b002;
const REAL_MODE_END = 0x10_0000;

/** General registers that a protocol sets; the rest are zero. The names are those of struct kvm_regs. */
export interface BootRegisters {
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly rsp: bigint;
  readonly rax: bigint;
  readonly rbx: bigint;
  readonly rsi: bigint;
}

/** Special registers that a protocol sets. The names are those of struct kvm_sregs. */
export interface BootSpecialRegisters {
  readonly cs: Segment;
  /** For DS, ES, FS, GS and SS alike. */
  readonly data: Segment;
  readonly tr: Segment;
  readonly gdt: { readonly base: bigint; readonly limit: number };
  readonly idt: { readonly base: bigint; readonly limit: number };
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** The registers of the boot processor, and the GDT that they were loaded from. */
export interface BootState {
  readonly regs: BootRegisters;
  readonly sregs: BootSpecialRegisters;
  /** For {@link GDT}; empty in real mode. */
  readonly gdt: Uint8Array<ArrayBuffer>;
}

/**
 * The state in which `image` is entered:
 *
 * | protocol  | mode      | paging   | registers                              |
 * | --------- | --------- | -------- | -------------------------------------- |
 * | linux64   | 64-bit    | identity | RSI = boot_params, RSP = boot stack    |
 * | linux32   | 32-bit    | off      | ESI = boot_params, EBP = EDI = EBX = 0 |
 * | pvh       | 32-bit    | off      | EBX = hvm_start_info                   |
 * | multiboot | 32-bit    | off      | EAX = magic, EBX = information         |
 * | flat64    | 64-bit    | identity | RSP = boot stack; SSE usable           |
 * | flat32    | 32-bit    | off      | ESP = boot stack                       |
 * | flat16    | real mode | off      | CS:IP = entry, other segments and SP 0 |
 *
 * No interrupt is taken and there is no IDT: an exception before the guest has one is a triple fault.
 *
 * @throws {BootSetupError} an entry that the mode can't reach, or a multiboot image without information
 */
export function bootState(image: BootImage): BootState {
  switch (image.protocol) {
    case "linux64":
      return longMode(image, { rsi: BigInt(ZERO_PAGE.base) }, CR4_PAE);
    case "flat64":
      return longMode(image, {}, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    case "linux32":
      return protectedMode(image, { rsi: BigInt(ZERO_PAGE.base) });
    case "pvh":
      return protectedMode(image, { rbx: BigInt(PVH_START_INFO.base) });
    case "multiboot": {
      if (image.multibootInfo === undefined) {
        throw new BootSetupError("a multiboot kernel needs the address of its information");
      }
      const rax = BigInt(MULTIBOOT_BOOTLOADER_MAGIC);
      return protectedMode(image, { rax, rbx: BigInt(image.multibootInfo) });
    }
    case "flat32":
      return protectedMode(image, {});
    case "flat16":
      return realMode(image);
  }
}

function registers(entry: number, set: Partial<BootRegisters>): BootRegisters {
  const stack = BigInt(BOOT_STACK_TOP);
  const zero = { rax: 0n, rbx: 0n, rsi: 0n };
  return { ...zero, rip: BigInt(entry), rflags: RFLAGS_RESERVED, rsp: stack, ...set };
}

const NO_IDT = { base: 0n, limit: 0 };

function descriptorTables(gdt: Uint8Array) {
  return { gdt: { base: BigInt(GDT.base), limit: gdt.length - 1 }, idt: NO_IDT };
}

function longMode(image: BootImage, set: Partial<BootRegisters>, cr4: bigint): BootState {
  const gdt = gdtBytes([CODE64, FLAT_DATA, BOOT_TSS]);
  return {
    regs: registers(image.entry, set),
    sregs: {
      cs: CODE64,
      data: FLAT_DATA,
      tr: BOOT_TSS,
      ...descriptorTables(gdt),
      cr0: CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_PG,
      cr3: BigInt(PML4_ADDRESS),
      cr4,
      efer: EFER_LME | EFER_LMA,
    },
    gdt,
  };
}

function protectedMode(image: BootImage, set: Partial<BootRegisters>): BootState {
  if (image.entry >= 2 ** 32) {
    throw new BootSetupError(`32-bit code can't be entered at ${hex(image.entry)}`);
  }
  const gdt = gdtBytes([CODE32, FLAT_DATA, BOOT_TSS]);
  return {
    regs: registers(image.entry, set),
    sregs: {
      cs: CODE32,
      data: FLAT_DATA,
      tr: BOOT_TSS,
      ...descriptorTables(gdt),
      // PVH: "all other bits must be cleared" but PE and ET, which is hard-wired; the others ask for no more.
      cr0: CR0_PE | CR0_ET,
      cr3: 0n,
      cr4: 0n,
      efer: 0n,
    },
    gdt,
  };
}

function realMode(image: BootImage): BootState {
  if (image.entry >= REAL_MODE_END) {
    throw new BootSetupError(`real-mode code can't be entered at ${hex(image.entry)}`);
  }
  // The first 64 KiB are entered with CS 0, as a BIOS enters 0:7c00; above, the offset is what is left.
  const selector = image.entry < 0x1_0000 ? 0 : image.entry >> 4;
  return {
    regs: registers(image.entry - selector * 16, { rsp: 0n }),
    sregs: {
      cs: realModeSegment(selector, true),
      data: realModeSegment(0, false),
      tr: { ...BOOT_TSS, selector: 0, limit: 0xffff },
      gdt: NO_IDT,
      idt: { base: 0n, limit: 0x3ff },
      cr0: CR0_ET,
      cr3: 0n,
      cr4: 0n,
      efer: 0n,
    },
    gdt: new Uint8Array(0),
  };
}

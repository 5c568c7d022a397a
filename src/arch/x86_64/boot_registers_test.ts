import assert from "node:assert/strict";
import { GuestMemory } from "../../memory/mod.ts";
import { bootState } from "./boot_registers.ts";
import { BootSetupError } from "./errors.ts";
import { CODE32, CODE64, descriptor, FLAT_DATA, gdtBytes, Selector } from "./gdt.ts";
import { BOOT_STACK_TOP, PAGE_TABLES, PVH_START_INFO, ZERO_PAGE } from "./memory_map.ts";
import { IDENTITY_MAP_MAXIMUM, IDENTITY_MAP_MINIMUM, identityMap, PML4_ADDRESS } from "./paging.ts";

const GIB = 2 ** 30;

Deno.test("flat descriptors have the well-known encodings", () => {
  assert.equal(descriptor(CODE64), 0x00af9b000000ffffn);
  assert.equal(descriptor(CODE32), 0x00cf9b000000ffffn);
  assert.equal(descriptor(FLAT_DATA), 0x00cf93000000ffffn);
  const far = { ...CODE32, base: 0xfedc_ba98n, limit: 0x54321, g: 0 };
  assert.equal(descriptor(far), 0xfe459bdcba984321n);
});

Deno.test("the GDT has a null descriptor first and each segment at its selector", () => {
  const bytes = gdtBytes([CODE64, FLAT_DATA]);
  const view = new DataView(bytes.buffer);
  assert.equal(view.getBigUint64(0, true), 0n);
  assert.equal(view.getBigUint64(Selector.CODE, true), descriptor(CODE64));
  assert.equal(view.getBigUint64(Selector.DATA, true), descriptor(FLAT_DATA));
  assert.equal(bytes.length, 0x20);
});

/** Walks the tables as the processor does, down to 2 MiB pages. */
function translate(memory: GuestMemory, address: number): number | undefined {
  const index = (shift: number) => Math.floor(address / 2 ** shift) % 512;
  let table = PAGE_TABLES.base;
  for (const shift of [39, 30, 21]) {
    const entry = memory.readU64(table + 8 * index(shift));
    if ((entry & 1n) === 0n) return undefined;
    assert.equal(entry & 2n, 2n, "writable");
    assert.equal((entry & 0x80n) !== 0n, shift === 21, "large pages in the directories alone");
    table = Number(entry & 0xf_ffff_ffff_f000n);
  }
  return table + address % 2 ** 21;
}

/** Memory with page tables in it. */
function mapped(end: number): GuestMemory {
  const memory = GuestMemory.forTest(2 << 20);
  memory.write(PML4_ADDRESS, identityMap(end));
  return memory;
}

Deno.test("the page tables map the first 4 GiB, or all RAM, to themselves", () => {
  const small = mapped(128 << 20);
  for (const address of [0, 0x1234, 0x10_0000, 0xfee0_0030, IDENTITY_MAP_MINIMUM - 1]) {
    assert.equal(translate(small, address), address);
  }
  assert.equal(translate(small, IDENTITY_MAP_MINIMUM), undefined);
  const large = mapped(6 * GIB + 1);
  assert.equal(translate(large, 7 * GIB - 1), 7 * GIB - 1);
  assert.equal(translate(large, 7 * GIB), undefined);
});

Deno.test("the page tables stay in their place when RAM is larger than they can map", () => {
  assert.equal(identityMap(1024 * GIB).length, PAGE_TABLES.size);
  const huge = mapped(1024 * GIB);
  assert.equal(translate(huge, IDENTITY_MAP_MAXIMUM - 1), IDENTITY_MAP_MAXIMUM - 1);
  assert.equal(translate(huge, IDENTITY_MAP_MAXIMUM), undefined);
});

Deno.test("Linux's 64-bit entry has paging on and RSI at the zero page", () => {
  const { regs, sregs, gdt } = bootState({ protocol: "linux64", entry: 0x100_0200 });
  assert.equal(regs.rip, 0x100_0200n);
  assert.equal(regs.rsi, BigInt(ZERO_PAGE.base));
  assert.equal(regs.rsp, BigInt(BOOT_STACK_TOP));
  assert.equal(regs.rflags, 2n, "interrupts are off");
  assert.deepEqual([sregs.cs.selector, sregs.data.selector], [0x10, 0x18], "__BOOT_CS, __BOOT_DS");
  assert.deepEqual([sregs.cs.l, sregs.cs.db], [1, 0]);
  assert.equal(sregs.cr0 & 0x8000_0001n, 0x8000_0001n);
  assert.equal(sregs.cr0 & 0x6000_0000n, 0n, "caches are on");
  assert.equal(sregs.cr3, BigInt(PAGE_TABLES.base));
  assert.equal(sregs.efer, 0x500n);
  assert.equal(sregs.gdt.limit, gdt.length - 1);
});

Deno.test("the 32-bit entries are flat, without paging, with their protocol's registers", () => {
  const linux = bootState({ protocol: "linux32", entry: 0x10_0000 });
  assert.equal(linux.regs.rsi, BigInt(ZERO_PAGE.base));
  const pvh = bootState({ protocol: "pvh", entry: 0x10_0000 });
  assert.equal(pvh.regs.rbx, BigInt(PVH_START_INFO.base));
  assert.deepEqual([pvh.sregs.tr.base, pvh.sregs.tr.limit], [0n, 0x67]);
  const multiboot = bootState({ protocol: "multiboot", entry: 0x10_0000, multibootInfo: 0x3_0000 });
  assert.deepEqual([multiboot.regs.rax, multiboot.regs.rbx], [0x2badb002n, 0x3_0000n]);
  const flat = bootState({ protocol: "flat32", entry: 0x10_0000 });
  for (const { regs, sregs } of [linux, pvh, multiboot, flat]) {
    assert.equal(sregs.cr0, 0x11n);
    assert.deepEqual([sregs.cr4, sregs.efer], [0n, 0n]);
    assert.deepEqual([sregs.cs.limit, sregs.cs.db, sregs.cs.l], [0xffff_ffff, 1, 0]);
    assert.equal(regs.rflags, 2n);
  }
});

Deno.test("a real-mode image is entered at CS 0 below 64 KiB and at its paragraph above", () => {
  const low = bootState({ protocol: "flat16", entry: 0x7c00 });
  assert.deepEqual([low.sregs.cs.selector, low.regs.rip], [0, 0x7c00n]);
  const high = bootState({ protocol: "flat16", entry: 0x2_0004 });
  assert.deepEqual([high.sregs.cs.selector, high.sregs.cs.base, high.regs.rip], [
    0x2000,
    0x2_0000n,
    4n,
  ]);
  assert.equal(high.sregs.cr0 & 1n, 0n);
});

Deno.test("entries that a mode can't reach are refused", () => {
  assert.throws(() => bootState({ protocol: "flat32", entry: 2 ** 32 }), BootSetupError);
  assert.throws(() => bootState({ protocol: "flat16", entry: 0x10_0000 }), BootSetupError);
  assert.throws(() => bootState({ protocol: "multiboot", entry: 0x10_0000 }), BootSetupError);
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { e820Map, E820Type } from "./e820.ts";
import { BootSetupError } from "./errors.ts";
import * as map from "./memory_map.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const LOW_STRUCTURES = [
  map.GDT,
  map.ZERO_PAGE,
  map.PVH_START_INFO,
  map.BOOT_STACK,
  map.COMMAND_LINE,
  map.PAGE_TABLES,
];
const BIOS_AREA = [map.ACPI_TABLES, map.MP_TABLE, map.RESET_VECTOR];
const DEVICES = [
  map.PCI_MMIO32,
  map.PCI_ECAM,
  map.VIRTIO_MMIO,
  map.USER_MMIO,
  map.IOAPIC,
  map.LAPIC,
  map.KVM_IDENTITY_MAP,
  map.KVM_TSS,
];

function assertDisjoint(ranges: readonly map.NamedRange[]): void {
  const sorted = [...ranges].sort((a, b) => a.base - b.base);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1], sorted[i]];
    assert.ok(a.base + a.size <= b.base, `${a.name} runs into ${b.name}`);
  }
}

Deno.test("the boot structures lie side by side in conventional memory, behind the BIOS data area", () => {
  assertDisjoint(LOW_STRUCTURES);
  for (const { name, base, size } of LOW_STRUCTURES) {
    assert.ok(base >= 0x500 && base + size <= map.LEGACY_HOLE.base, name);
  }
});

Deno.test("the firmware tables lie where kernels search, below 1 MiB", () => {
  assertDisjoint(BIOS_AREA);
  for (const { name, base, size } of BIOS_AREA) {
    assert.ok(base >= 0xe_0000 && base + size <= MIB && base % 16 === 0, name);
  }
  assert.ok(map.MP_TABLE.base >= 0xf_0000, "the MP table is searched in the last 64 KiB only");
});

Deno.test("the device ranges lie side by side in the hole", () => {
  assertDisjoint(DEVICES);
  const { base, size } = map.DEVICE_HOLE;
  for (const range of DEVICES) {
    assert.ok(range.base >= base && range.base + range.size <= base + size, range.name);
  }
  assert.equal(base + size, map.HIGH_RAM_START);
});

Deno.test("RAM fills the space below the hole first and goes on at 4 GiB", () => {
  assert.deepEqual(map.ramRanges(512 * MIB), [{ guestAddress: 0, size: 512 * MIB }]);
  assert.deepEqual(map.ramRanges(3 * GIB), [{ guestAddress: 0, size: 3 * GIB }]);
  assert.deepEqual(map.ramRanges(6 * GIB), [
    { guestAddress: 0, size: 3 * GIB },
    { guestAddress: 4 * GIB, size: 3 * GIB },
  ]);
});

Deno.test("RAM keeps its amount and stays out of the hole, whatever its size", () => {
  const pages = fc.integer({ min: map.MINIMUM_RAM / 4096, max: 2 ** 28 });
  fc.assert(fc.property(pages, (n) => {
    const ranges = map.ramRanges(n * 4096);
    assert.equal(ranges.reduce((sum, r) => sum + r.size, 0), n * 4096);
    for (const { guestAddress, size } of ranges) {
      assert.ok(size > 0);
      assert.ok(guestAddress + size <= map.DEVICE_HOLE.base || guestAddress >= 4 * GIB);
    }
  }));
});

Deno.test("too little RAM and broken pages are refused with the amount", () => {
  assert.throws(() => map.ramRanges(MIB), /1048576 bytes of RAM are too few/);
  assert.throws(() => map.ramRanges(NaN), BootSetupError);
  assert.throws(() => map.ramRanges(4 * MIB + 1), /not whole pages/);
});

Deno.test("the most RAM ends at the last physical address", () => {
  const most = map.maximumRam(36);
  const last = map.ramRanges(most).at(-1)!;
  assert.equal(last.guestAddress + last.size, 2 ** 36);
});

Deno.test("each protocol reserves what it writes, and all below 1 MiB that is no RAM on a PC", () => {
  const names = (protocol: map.BootProtocol) => map.reservedRanges(protocol).map((r) => r.name);
  for (const protocol of ["linux64", "linux32", "pvh", "multiboot", "flat64", "flat32", "flat16"]) {
    const ranges = map.reservedRanges(protocol as map.BootProtocol);
    assertDisjoint(ranges);
    for (const range of [map.LEGACY_HOLE, ...BIOS_AREA]) {
      assert.ok(ranges.includes(range), `${protocol}: ${range.name}`);
    }
  }
  assert.ok(names("linux64").includes("page tables") && names("linux64").includes("zero page"));
  assert.ok(!names("linux32").includes("page tables"));
  assert.ok(names("pvh").includes("PVH start info"));
});

Deno.test("a structure that does not fit its place is refused by name", () => {
  map.checkFits(map.GDT.size, map.GDT);
  assert.throws(() => map.checkFits(map.GDT.size + 1, map.GDT), /the GDT needs 129 bytes/);
});

Deno.test("the memory map lists RAM on both sides of the hole and reserves the BIOS area and KVM's pages", () => {
  assert.deepEqual(e820Map(map.ramRanges(4 * GIB), [map.PCI_ECAM]), [
    { base: 0, size: 0xa0000, type: E820Type.RAM },
    { base: 0xe0000, size: 0x20000, type: E820Type.RESERVED },
    { base: 0x100000, size: 0xbff00000, type: E820Type.RAM },
    { base: 0xe0000000, size: 0x100000, type: E820Type.RESERVED },
    { base: 0xfffbc000, size: 0x4000, type: E820Type.RESERVED },
    { base: 0x100000000, size: GIB, type: E820Type.RAM },
  ]);
});

Deno.test("the memory map refuses entries that overlap and RAM that does not begin at 0", () => {
  const ram = map.ramRanges(64 * MIB);
  assert.throws(() => e820Map(ram, [{ base: 0x20_0000, size: 4096 }]), /overlap/);
  assert.throws(() => e820Map([]), BootSetupError);
  assert.throws(() => e820Map([{ guestAddress: 4096, size: 64 * MIB }]), BootSetupError);
});

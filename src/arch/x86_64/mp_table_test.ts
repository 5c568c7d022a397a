import assert from "node:assert/strict";
import { IOAPIC, LAPIC, MP_TABLE } from "./memory_map.ts";
import { buildMpTable } from "./mp_table.ts";
import { pci } from "./plugging.ts";

const processor = { signature: 0x00b0_0f21, features: 0x078b_fbff };

/** Reads the table as the specification describes it; returns its entries as byte arrays. */
function parse(bytes: Uint8Array): { entries: Uint8Array[]; lapic: number } {
  const sum = (part: Uint8Array) => part.reduce((a, b) => (a + b) & 0xff, 0);
  const text = (at: number, n: number) => new TextDecoder().decode(bytes.subarray(at, at + n));
  const view = new DataView(bytes.buffer);
  assert.equal(text(0, 4), "_MP_");
  assert.equal(sum(bytes.subarray(0, 16)), 0, "the floating pointer's checksum");
  assert.equal(bytes[8], 1, "one paragraph");
  const table = view.getUint32(4, true) - MP_TABLE.base;
  assert.equal(text(table, 4), "PCMP");
  const length = view.getUint16(table + 4, true);
  assert.equal(table + length, bytes.length);
  assert.equal(sum(bytes.subarray(table)), 0, "the table's checksum");
  const entries: Uint8Array[] = [];
  let at = table + 44;
  while (at < bytes.length) {
    const size = bytes[at] === 0 ? 20 : 8;
    entries.push(bytes.subarray(at, at + size));
    at += size;
  }
  assert.equal(at, bytes.length);
  assert.equal(view.getUint16(table + 34, true), entries.length);
  return { entries, lapic: view.getUint32(table + 36, true) };
}

Deno.test("the MP table lists processors, the ISA bus, the I/O APIC and the interrupts, in this order", () => {
  const { entries, lapic } = parse(buildMpTable(MP_TABLE.base, [0, 1, 2, 3], processor));
  assert.equal(lapic, LAPIC.base);
  const of = (type: number) => entries.filter((entry) => entry[0] === type);
  assert.deepEqual(entries.map((e) => e[0]), [...entries.map((e) => e[0])].sort());
  assert.deepEqual(of(0).map((e) => [e[1], e[3]]), [[0, 3], [1, 1], [2, 1], [3, 1]]);
  const first = new DataView(of(0)[0].buffer, of(0)[0].byteOffset);
  assert.equal(first.getUint32(4, true), processor.signature);
  assert.equal(first.getUint32(8, true), processor.features);
  assert.deepEqual(of(1).map((e) => new TextDecoder().decode(e.subarray(2))), ["ISA   "]);
  const [ioapic] = of(2);
  assert.equal(new DataView(ioapic.buffer, ioapic.byteOffset).getUint32(4, true), IOAPIC.base);
  const io = of(3).map((e) => [e[5], e[7]]);
  assert.equal(io.length, 23);
  assert.ok(io.every(([irq, pin]) => irq === pin && irq !== 2), "each interrupt has its own pin");
  assert.deepEqual(of(4).map((e) => [e[1], e[6], e[7]]), [[3, 0, 0], [1, 0xff, 1]]);
});

Deno.test("a PCI bus has the number that it has in PCI, and its devices' pins", () => {
  const bytes = buildMpTable(MP_TABLE.base, [0], processor, pci);
  const { entries } = parse(bytes);
  const of = (type: number) => entries.filter((entry) => entry[0] === type);
  const buses = of(1).map((e) => [e[1], new TextDecoder().decode(e.subarray(2))]);
  assert.deepEqual(buses, [[0, "PCI   "], [1, "ISA   "]]);
  const io = of(3).map((e) => ({ bus: e[4], source: e[5], pin: e[7] }));
  const isa = io.filter(({ bus }) => bus === 1);
  assert.ok(isa.length === 15 && isa.every(({ source, pin }) => source === pin && pin < 16));
  const pciPins = io.filter(({ bus }) => bus === 0);
  assert.deepEqual(
    pciPins.map(({ source }) => source),
    Array.from({ length: 31 }, (_, i) => (i + 1) * 4),
  );
  assert.deepEqual(
    pciPins.map(({ pin }) => pin),
    Array.from({ length: 31 }, (_, i) => 16 + (i + 1) % 8),
  );
  assert.deepEqual(of(4).map((e) => e[4]), [1, 1]);
});

Deno.test("the largest MP table fits its place and leaves out ids beyond a byte", () => {
  const apicIds = Array.from({ length: 1024 }, (_, i) => i);
  const bytes = buildMpTable(MP_TABLE.base, apicIds, processor, pci);
  assert.ok(bytes.length <= MP_TABLE.size);
  const ids = parse(bytes).entries.filter((e) => e[0] === 0).map((e) => e[1]);
  assert.deepEqual(ids, apicIds.slice(0, 255));
});

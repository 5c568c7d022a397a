import assert from "node:assert/strict";
import { GuestMemory } from "../../../memory/mod.ts";
import { BootSetupError } from "../errors.ts";
import { ACPI_TABLES } from "../memory_map.ts";
import { has, run } from "../oracle.ts";
import { CONFIG_PORT, pci } from "../plugging.ts";
import {
  type AcpiDevice,
  type AcpiInput,
  aml,
  buildAcpiTables,
  HardwareId,
  POWER_REGISTERS,
  resources,
  SLEEP_CONTROL_S5,
} from "./mod.ts";

const COM1: AcpiDevice = {
  name: "COM1",
  hid: HardwareId.SERIAL,
  io: [{ base: 0x3f8, size: 8 }],
  irq: 4,
};
const RTC: AcpiDevice = {
  name: "RTC0",
  hid: HardwareId.RTC,
  io: [{ base: 0x70, size: 2 }],
  irq: 8,
};
const KEYBOARD: AcpiDevice = {
  name: "KBD0",
  hid: HardwareId.KEYBOARD,
  io: [{ base: 0x60, size: 1 }, { base: 0x64, size: 1 }],
  irq: 1,
};
const VIRTIO: AcpiDevice = {
  name: "VR00",
  hid: HardwareId.VIRTIO_MMIO,
  uid: 7,
  mmio: [{ base: 0xf000_0000, size: 4096 }],
  irq: 16,
};
const HIGH: AcpiDevice = {
  name: "VR01",
  hid: HardwareId.VIRTIO_MMIO,
  uid: 8,
  mmio: [{ base: 2 ** 40, size: 4096 }],
};

/** Descriptors and a method that no device of today's machines has. */
const WINDOWS = aml.device(
  "WIN0",
  aml.name("_HID", aml.eisaId("PNP0C02")),
  aml.name("_UID", aml.integer(2)),
  aml.name(
    "_CRS",
    resources.resourceTemplate(
      resources.qwordMemory({ base: 2 ** 40, size: 2 ** 36, producer: true }),
    ),
  ),
  aml.method("_STA", 0, aml.returnValue(aml.integer(0xf))),
);
const RESERVED_MEMORY = aml.device(
  "MB00",
  aml.name("_HID", aml.eisaId("PNP0C02")),
  aml.name("_UID", aml.integer(1)),
  aml.name(
    "_CRS",
    resources.resourceTemplate(
      resources.ioPorts(0x600, 3),
      resources.irqNoFlags(9),
      resources.interrupt(20, { trigger: "level", polarity: "low", shared: true }),
    ),
  ),
);

const FULL: AcpiInput = {
  apicIds: [0, 1, 2, 3],
  devices: [COM1, RTC, KEYBOARD, VIRTIO, HIGH],
  pci: { ...pci, configPort: CONFIG_PORT },
  terms: [WINDOWS, RESERVED_MEMORY],
  power: POWER_REGISTERS,
  rtcCentury: 0x32,
};

/** Follows the tables as a kernel does, checking every signature, length and checksum. */
function walk(input: AcpiInput): Map<string, Uint8Array<ArrayBuffer>> {
  const memory = GuestMemory.forTest(1 << 20);
  const rsdp = ACPI_TABLES.base;
  memory.write(rsdp, buildAcpiTables(rsdp, input));
  const sum = (address: number, length: number) =>
    memory.readBytes(address, length).reduce((a, b) => (a + b) & 0xff, 0);
  const text = (address: number, length: number) =>
    new TextDecoder().decode(memory.readBytes(address, length));
  const tables = new Map<string, Uint8Array<ArrayBuffer>>();
  const visit = (address: number): Uint8Array<ArrayBuffer> => {
    const length = memory.readU32(address + 4);
    assert.equal(sum(address, length), 0, `checksum of ${text(address, 4)}`);
    assert.equal(text(address + 10, 6), "DENOVI");
    const table = memory.readBytes(address, length);
    tables.set(text(address, 4), table);
    return table;
  };
  assert.equal(rsdp % 16, 0);
  assert.equal(text(rsdp, 8), "RSD PTR ");
  assert.equal(sum(rsdp, 20), 0, "the RSDP's checksum");
  assert.equal(sum(rsdp, 36), 0, "the RSDP's extended checksum");
  assert.equal(memory.readU8(rsdp + 15), 2);
  const xsdt = visit(Number(memory.readU64(rsdp + 24)));
  const entries = new DataView(xsdt.buffer);
  for (let at = 36; at < xsdt.length; at += 8) visit(Number(entries.getBigUint64(at, true)));
  const fadt = new DataView(tables.get("FACP")!.buffer);
  assert.equal(fadt.getUint32(40, true), Number(fadt.getBigUint64(140, true)));
  visit(fadt.getUint32(40, true));
  return tables;
}

Deno.test("a kernel finds every table from the RSDP, with valid checksums", () => {
  const tables = walk(FULL);
  assert.deepEqual([...tables.keys()].sort(), ["APIC", "DSDT", "FACP", "MCFG", "XSDT"]);
  const withoutPci = walk({ ...FULL, pci: undefined });
  assert.deepEqual([...withoutPci.keys()].sort(), ["APIC", "DSDT", "FACP", "XSDT"]);
});

Deno.test("the MCFG has the configuration space of bus 0", () => {
  const mcfg = new DataView(walk(FULL).get("MCFG")!.buffer);
  assert.equal(mcfg.byteLength, 60);
  assert.equal(mcfg.getBigUint64(44, true), BigInt(pci.ecam.base));
  assert.deepEqual([52, 54, 55].map((at) => mcfg.getUint8(at)), [0, 0, 0], "segment and buses");
});

Deno.test("the tables of the largest machine fit their place", () => {
  const apicIds = Array.from({ length: 1024 }, (_, i) => i);
  const bytes = buildAcpiTables(ACPI_TABLES.base, { ...FULL, apicIds });
  assert.ok(bytes.length <= ACPI_TABLES.size, `${bytes.length} bytes`);
});

Deno.test("the FADT points at the sleep and reset ports and tells what legacy hardware there is", () => {
  const view = (devices: readonly AcpiDevice[]) =>
    new DataView(walk({ ...FULL, devices }).get("FACP")!.buffer);
  const full = view(FULL.devices);
  const gas = (at: number) => [full.getUint8(at), Number(full.getBigUint64(at + 4, true))];
  assert.deepEqual(gas(244), [1, 0x600]);
  assert.deepEqual(gas(256), [1, 0x601]);
  assert.deepEqual(gas(116), [1, 0x602]);
  assert.equal(full.getUint8(128), 0x06);
  assert.ok(full.getUint32(112, true) & (1 << 20), "hardware-reduced");
  assert.ok(full.getUint32(112, true) & (1 << 10), "the reset register is supported");
  const i8042 = 1 << 1;
  const noRtc = 1 << 5;
  assert.equal(full.getUint16(109, true) & (i8042 | noRtc), i8042);
  assert.equal(full.getUint8(108), 0x32);
  const bare = view([COM1]);
  assert.equal(bare.getUint16(109, true) & (i8042 | noRtc), noRtc);
  assert.equal(bare.getUint8(108), 0, "no RTC, no century");
  assert.equal(SLEEP_CONTROL_S5, 0x34);
});

Deno.test("the MADT has a local APIC for each processor and x2APIC entries for the ids from 255 on", () => {
  const apicIds = [...Array.from({ length: 256 }, (_, i) => i), 0x1_0000];
  const madt = walk({ ...FULL, apicIds }).get("APIC")!;
  const view = new DataView(madt.buffer);
  const found: number[] = [];
  const counts = new Map<number, number>();
  for (let at = 44; at < madt.length; at += view.getUint8(at + 1)) {
    const type = view.getUint8(at);
    counts.set(type, (counts.get(type) ?? 0) + 1);
    if (type === 0) found.push(view.getUint8(at + 3));
    if (type === 9) found.push(view.getUint32(at + 4, true));
  }
  assert.deepEqual(found, apicIds);
  assert.deepEqual([...counts], [[0, 255], [9, 2], [1, 1], [4, 1], [10, 1]]);
});

Deno.test("two devices with one name are refused", () => {
  const devices = [COM1, { ...RTC, name: "COM1" }];
  assert.throws(() => buildAcpiTables(0, { ...FULL, devices }), BootSetupError);
});

/** Runs iasl on each table; calls `check` with what it says and the disassembly. */
async function disassemble(
  input: AcpiInput,
  check: (signature: string, said: string, source: string, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "denovisor-acpi-" });
  try {
    for (const [signature, table] of walk(input)) {
      await Deno.writeFile(`${directory}/${signature}.dat`, table);
      const { success, output } = await run(["iasl", "-d", `${signature}.dat`], directory);
      assert.ok(success, output);
      const source = await Deno.readTextFile(`${directory}/${signature}.dsl`);
      await check(signature, output, source, directory);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const ignore = !await has("iasl");
const COMPLAINT = /error|warning|invalid|incorrect|unknown|unexpected|overrun|too (long|short)/i;

for (
  const [what, input] of Object.entries({
    "a machine with every device": FULL,
    "a machine with one processor and a serial port": {
      apicIds: [0],
      devices: [COM1],
      power: POWER_REGISTERS,
    },
    "a machine with 300 processors": {
      ...FULL,
      apicIds: Array.from({ length: 300 }, (_, i) => i),
    },
  })
) {
  Deno.test({
    name: `iasl disassembles every table of ${what} and compiles the result without a complaint`,
    ignore,
    fn: () =>
      disassemble(input, async (signature, said, source, directory) => {
        assert.doesNotMatch(said.replaceAll(/^Parsing.*$/gm, ""), COMPLAINT);
        assert.doesNotMatch(source, /Invalid|Unknown|Unexpected|overrun|ERROR/i, signature);
        // -oa: no optimizations, so that what comes out can be compared.
        const { output } = await run(["iasl", "-we", "-oa", `${signature}.dsl`], directory);
        assert.match(output, /Compilation successful\. 0 Errors, 0 Warnings, 0 Remarks/);
        const body = (suffix: string) =>
          Deno.readFileSync(`${directory}/${signature}${suffix}`).slice(36);
        assert.deepEqual(body(".aml"), body(".dat"), `${signature} says what iasl understood`);
      }),
  });
}

Deno.test({
  name: "iasl reads the devices' resources as they were given",
  ignore,
  fn: () =>
    disassemble(FULL, (signature, _said, source) => {
      if (signature !== "DSDT") return Promise.resolve();
      for (
        const expected of [
          /Name \(\\_S5, Package \(0x04\)/,
          /Device \(C003\)\s*\{\s*Name \(_HID, "ACPI0007"/,
          /EisaId \("PNP0501"\)/,
          /IO \(Decode16,\s*0x03F8,[^\n]*\s*0x03F8,[^\n]*\s*0x01,[^\n]*\s*0x08,/,
          /Interrupt \(ResourceConsumer, Edge, ActiveHigh, Exclusive[ ,]*\)\s*\{\s*0x00000004,/,
          /Interrupt \(ResourceConsumer, Level, ActiveLow, Shared[ ,]*\)\s*\{\s*0x00000014,/,
          /IRQNoFlags \(\)\s*\{9\}/,
          /Memory32Fixed \(ReadWrite,\s*0xF0000000,[^\n]*\s*0x00001000,/,
          /QWordMemory \(ResourceConsumer,[^\n]*\n[^\n]*\n\s*0x0000010000000000,/,
          /QWordMemory \(ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite/,
          /Method \(_STA, 0, Serialized\)/,
          /WordBusNumber \(ResourceProducer, MinFixed, MaxFixed, PosDecode,\s*0x0000,[^\n]*\s*0x0000,[^\n]*\s*0x0000,/,
          /WordIO \(ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,\s*0x0000,[^\n]*\s*0x0000,[^\n]*\s*0x0CF7,/,
          /WordIO \(ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,\s*0x0000,[^\n]*\s*0x0D00,[^\n]*\s*0xFFFF,/,
          /DWordMemory \(ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,\s*0x00000000,[^\n]*\s*0xC0000000,[^\n]*\s*0xDFFFFFFF,/,
          /Memory32Fixed \(ReadWrite,\s*0xE0000000,[^\n]*\s*0x00100000,/,
          /Name \(_PRT, Package \(0x1F\)/,
          /Package \(0x04\)\s*\{\s*0x0001FFFF,\s*Zero,\s*Zero,\s*0x11\s*\}/,
          /Package \(0x04\)\s*\{\s*0x001FFFFF,\s*Zero,\s*Zero,\s*0x17\s*\}/,
          /Method \(_OSC, 4, Serialized\)[^{]*\{\s*Return \(Arg3\)/,
        ]
      ) assert.match(source, expected);
      return Promise.resolve();
    }),
});

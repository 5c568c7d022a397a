import assert from "node:assert/strict";
import type { BootImage } from "./boot_image.ts";
import { e820Map } from "./e820.ts";
import { BootSetupError } from "./errors.ts";
import { COMMAND_LINE, ramRanges } from "./memory_map.ts";
import { evaluateC, has } from "./oracle.ts";
import { BootParams, buildZeroPage, E820_MAXIMUM, SetupHeader } from "./zero_page.ts";

const memoryMap = e820Map(ramRanges(128 << 20));
const image: BootImage = { protocol: "linux64", entry: 0x100_0000, commandLine: "console=ttyS0" };

/** A setup header with recognisable bytes and the magic, the version and the limits of a 6.1 kernel. */
function setupHeader(length = 0x7b): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x5a);
  const view = new DataView(bytes.buffer);
  const at = (offset: number) => offset - BootParams.hdr;
  view.setUint32(at(SetupHeader.header), 0x53726448, true);
  view.setUint16(at(SetupHeader.version), 0x020f, true);
  view.setUint32(at(SetupHeader.cmdline_size), 2047, true);
  view.setUint8(at(SetupHeader.loadflags), 0x80);
  return bytes;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer);
}

Deno.test({
  name: "the zero page's offsets are those of the kernel's struct boot_params",
  ignore: Deno.build.arch !== "x86_64" || !await has("gcc"),
  fn: async () => {
    const header = Object.keys(SetupHeader).map((name) => [name, `hdr.${name}`]);
    const params = Object.keys(BootParams).map((name) => [name, name]);
    const fields = Object.fromEntries([...header, ...params]);
    const expressions = Object.fromEntries(
      Object.entries(fields).map(([k, path]) => [k, `offsetof(struct boot_params, ${path})`]),
    );
    const offsets = await evaluateC(["<asm/bootparam.h>"], expressions);
    assert.deepEqual(offsets, { ...SetupHeader, ...BootParams });
    const more = await evaluateC(["<asm/bootparam.h>"], {
      size: "sizeof(struct boot_params)",
      entry: "sizeof(struct boot_e820_entry)",
      maximum: "E820_MAX_ENTRIES_ZEROPAGE",
    });
    assert.deepEqual(more, { size: 4096, entry: 20, maximum: E820_MAXIMUM });
  },
});

Deno.test("a bzImage's setup header is taken over, with the loader's fields filled in", () => {
  const header = setupHeader();
  const initrd = { address: 0x1_8000_0000, size: 0x1234 };
  const page = buildZeroPage({
    image: { ...image, setupHeader: header, initrd },
    memoryMap,
    rsdp: 0xe0000,
  });
  const v = view(page);
  assert.equal(page[SetupHeader.vid_mode], 0x5a);
  assert.equal(page[BootParams.hdr + header.length], 0, "nothing is copied past the header");
  assert.equal(v.getUint8(SetupHeader.type_of_loader), 0xff);
  assert.equal(v.getUint8(SetupHeader.loadflags), 0x81);
  assert.equal(v.getUint32(SetupHeader.cmd_line_ptr, true), COMMAND_LINE.base);
  assert.equal(v.getUint32(SetupHeader.ramdisk_image, true), 0x8000_0000);
  assert.equal(v.getUint32(BootParams.ext_ramdisk_image, true), 1);
  assert.equal(v.getUint32(SetupHeader.ramdisk_size, true), 0x1234);
  assert.equal(v.getUint32(BootParams.ext_ramdisk_size, true), 0);
  assert.equal(v.getBigUint64(BootParams.acpi_rsdp_addr, true), 0xe0000n);
});

Deno.test("a vmlinux is given a header that names its protocol", () => {
  const v = view(buildZeroPage({ image, memoryMap, rsdp: 0 }));
  assert.equal(v.getUint16(SetupHeader.boot_flag, true), 0xaa55);
  assert.equal(v.getUint32(SetupHeader.header, true), 0x53726448);
  assert.equal(v.getUint16(SetupHeader.version, true), 0x020f);
  assert.equal(v.getUint32(SetupHeader.ramdisk_size, true), 0);
});

Deno.test("the memory map is written entry by entry", () => {
  const v = view(buildZeroPage({ image, memoryMap, rsdp: 0 }));
  assert.equal(v.getUint8(BootParams.e820_entries), memoryMap.length);
  const read = memoryMap.map((_, i) => {
    const at = BootParams.e820_table + 20 * i;
    return {
      base: Number(v.getBigUint64(at, true)),
      size: Number(v.getBigUint64(at + 8, true)),
      type: v.getUint32(at + 16, true),
    };
  });
  assert.deepEqual(read, memoryMap);
});

Deno.test("what the kernel would cut off or misread is refused", () => {
  const build = (change: Partial<BootImage>, map = memoryMap) =>
    buildZeroPage({ image: { ...image, ...change }, memoryMap: map, rsdp: 0 });
  build({ commandLine: "a".repeat(2047) });
  assert.throws(
    () => build({ commandLine: "a".repeat(2048) }),
    /2048 bytes; this kernel keeps 2047/,
  );
  const old = setupHeader();
  new DataView(old.buffer).setUint16(SetupHeader.version - BootParams.hdr, 0x0205, true);
  assert.throws(() => build({ setupHeader: old, commandLine: "a".repeat(256) }), /keeps 255/);
  assert.throws(() => build({ setupHeader: new Uint8Array(0x7b) }), /HdrS/);
  assert.throws(() => build({ setupHeader: setupHeader(0xa0) }), /does not fit/);
  const many = Array.from({ length: 129 }, (_, i) => ({ base: i * 4096, size: 4096, type: 1 }));
  assert.throws(() => build({}, many), BootSetupError);
});

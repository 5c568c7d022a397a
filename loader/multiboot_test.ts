import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { CommandLineError, LoaderError, LoadOptionError, PlacementError } from "./errors.ts";
import { BytesImage } from "./image.ts";
import { loadKernel } from "./load.ts";
import type { LoadedMultiboot, LoadOptions } from "./loaded.ts";
import { concat, elfImage, multibootFlat, multibootHeader, pattern } from "./test_images.ts";

const MIB = 1 << 20;

function load(
  bytes: Uint8Array,
  options: LoadOptions = {},
  memory: GuestMemory = GuestMemory.forTest(4 * MIB),
): LoadedMultiboot {
  const kernel = loadKernel(memory, new BytesImage("/boot/kernel", bytes), options);
  assert.ok(kernel.protocol === "multiboot", kernel.protocol);
  return kernel;
}

function errorOf(bytes: Uint8Array, field: string, options: LoadOptions = {}): LoaderError {
  try {
    load(bytes, options);
  } catch (error) {
    assert.ok(error instanceof LoaderError, String(error));
    assert.equal(error.field, field, error.message);
    return error;
  }
  return assert.fail("no error");
}

/** A 32-bit ELF kernel with a multiboot header. */
function elfKernel(flags = 3, base = 0x100000n, width: 32 | 64 = 32): Uint8Array {
  const gap = multibootHeader({ flags });
  const segment = { paddr: base, data: pattern(0x100, 1), memsz: 0x1000n };
  return elfImage({ class: width, segments: [segment], gap });
}

/** The header with address fields at offset 0, and 0x100 bytes behind it. */
function addressed(...addresses: [number, number, number, number, number]): Uint8Array {
  return concat([multibootHeader({ addresses }), pattern(0x100, 6)]);
}

/** A kernel's view of multiboot_info, read as the specification says. */
function readInfo(memory: GuestMemory, at: number) {
  const u32 = (offset: number) => memory.readU32(at + offset);
  const modules = Array.from({ length: u32(20) }, (_, i) => {
    const entry = u32(24) + i * 16;
    const [start, end, text, reserved] = [0, 4, 8, 12].map((field) =>
      memory.readU32(entry + field)
    );
    return { start, end, text: memory.readCString(text, 256), reserved };
  });
  const map: { size: number; base: bigint; length: bigint; type: number }[] = [];
  for (let entry = u32(48); entry < u32(48) + u32(44);) {
    const size = memory.readU32(entry);
    map.push({
      size,
      base: memory.readU64(entry + 4),
      length: memory.readU64(entry + 12),
      type: memory.readU32(entry + 20),
    });
    entry += size + 4;
  }
  return {
    flags: u32(0),
    memLower: u32(4),
    memUpper: u32(8),
    cmdline: memory.readCString(u32(16), 4096),
    modules,
    map,
    loader: memory.readCString(u32(64), 64),
  };
}

Deno.test("an ELF kernel with a multiboot header is loaded by its segments and told what it asks for", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  memory.fill(0, 4 * MIB, 0xcc);
  const kernel = load(elfKernel(), { cmdline: 'debug "a b' }, memory);
  assert.equal(kernel.format, "elf");
  assert.equal(kernel.entry, 0x100000);
  assert.deepEqual(memory.readBytes(0x100000, 0x100), pattern(0x100, 1));
  assert.deepEqual(memory.readBytes(0x100100, 0xf00), new Uint8Array(0xf00));
  assert.deepEqual(readInfo(memory, kernel.info.start), {
    flags: 0x24d,
    memLower: 639,
    memUpper: 3072,
    cmdline: 'debug "a b',
    modules: [],
    map: [
      { size: 20, base: 0n, length: 0x9fc00n, type: 1 },
      { size: 20, base: 0x9fc00n, length: 0x60400n, type: 2 },
      { size: 20, base: 0x100000n, length: 0x300000n, type: 1 },
    ],
    loader: "denovisor",
  });
});

Deno.test("a kernel with address fields is loaded by them, with its bss zeroed", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  memory.fill(0, 4 * MIB, 0xcc);
  const bytes = multibootFlat();
  const kernel = load(bytes, {}, memory);
  assert.equal(kernel.format, "multiboot");
  assert.equal(kernel.entry, 0x100060);
  assert.deepEqual(kernel.ranges, [{ what: "the kernel", start: 0x100000, end: 0x101000 }]);
  assert.deepEqual(memory.readBytes(0x100000, bytes.length), bytes);
  assert.ok(memory.readBytes(0x100000 + bytes.length, 0x1000 - bytes.length).every((b) => b === 0));
  assert.equal(memory.readU8(0x101000), 0xcc);
});

Deno.test("address fields win over the ELF headers, and leave out what is not between them", () => {
  const gap = multibootHeader({ addresses: [0x200060, 0x200060, 0x200090, 0, 0x200080] });
  const bytes = elfImage({
    class: 32,
    segments: [{ paddr: 0x100000n, data: pattern(64, 1) }],
    gap,
  });
  const memory = GuestMemory.forTest(4 * MIB);
  const kernel = load(bytes, {}, memory);
  assert.deepEqual(kernel.ranges, [{ what: "the kernel", start: 0x200060, end: 0x200090 }]);
  assert.equal(kernel.entry, 0x200080);
  assert.equal(memory.readU32(0x200060), 0x1badb002);
});

Deno.test("a 64-bit ELF kernel with a multiboot header is started by it, unless it is asked otherwise", () => {
  assert.equal(load(elfKernel(3, 0x100000n, 64)).entry, 0x100000);
  const image = new BytesImage("kernel", elfKernel(3, 0x100000n, 64));
  const direct = loadKernel(GuestMemory.forTest(4 * MIB), image, { protocol: "linux64" });
  assert.equal(direct.protocol, "linux64");
});

Deno.test("the header is found up to the end of the first 8 KiB, at multiples of four, with its checksum", () => {
  const at = (offset: number, size = 16384) => {
    const bytes = new Uint8Array(size);
    const start = 0x100000;
    const addresses = [start + offset, start, 0, 0, start + offset + 32] as const;
    bytes.set(multibootHeader({ addresses }), offset);
    return bytes;
  };
  assert.equal(load(at(8192 - 32)).entry, 0x100000 + 8192);
  errorOf(at(8192 - 28), "format");
  errorOf(at(2), "format");
  const wrong = at(64);
  wrong[72] ^= 1;
  errorOf(wrong, "format");
  // What only looks like the magic before the header is passed over.
  const decoy = at(64);
  decoy.set([0x02, 0xb0, 0xad, 0x1b], 16);
  assert.equal(load(decoy).entry, 0x100060);
});

Deno.test("requirements that can't be met are refused, and optional flags that aren't known ignored", () => {
  assert.match(errorOf(elfKernel(1 << 2), "flags").message, /video mode/);
  assert.match(errorOf(elfKernel(1 << 3 | 1 << 15), "flags").message, /flags 0x8008/);
  assert.equal(load(elfKernel(3 | 1 << 17 | 1 << 30)).entry, 0x100000);
  const noAddresses = concat([multibootHeader(), pattern(0x100, 1)]);
  assert.match(errorOf(noAddresses, "flags").message, /flag 16.*not an ELF file/);
});

Deno.test("address fields that contradict each other or the file are refused by field", () => {
  errorOf(addressed(0x0fffff, 0x100000, 0, 0, 0x100000), "load_addr");
  errorOf(addressed(0x100001, 0x100000, 0, 0, 0x100000), "load_addr");
  errorOf(addressed(0x100000, 0x100000, 0x100000, 0, 0x100000), "load_end_addr");
  errorOf(addressed(0x100000, 0x100000, 0x0f0000, 0, 0x100000), "load_end_addr");
  const cut = errorOf(addressed(0x100000, 0x100000, 0x100121, 0, 0x100000), "load_end_addr");
  assert.match(cut.message, /asks for 289 bytes, but the file has 288/);
  errorOf(addressed(0x100000, 0x100000, 0, 0x10011f, 0x100000), "bss_end_addr");
  errorOf(addressed(0x100000, 0x100000, 0, 0, 0x100120), "entry_addr");
  errorOf(addressed(0x100000, 0x100000, 0, 0, 0xfffff), "entry_addr");
  const far = errorOf(addressed(0x800000, 0x800000, 0, 0, 0x800000), "load_addr");
  assert.ok(far instanceof PlacementError);
  errorOf(addressed(0xffffff80, 0xffffff80, 0, 0, 0xffffff80), "load_addr");
});

Deno.test("modules are page aligned, clear of the kernel, and listed with their strings, the initrd first", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const image = (name: string, size: number, seed: number) =>
    new BytesImage(name, pattern(size, seed));
  const initrd = image("/boot/root.img", 5000, 7);
  const modules = [
    { image: image("/boot/one", 1, 8), cmdline: "one --flag" },
    { image: image("two", 4096, 9) },
  ];
  const kernel = load(elfKernel(), { initrd, modules }, memory);
  const info = readInfo(memory, kernel.info.start);
  assert.deepEqual(info.modules, [
    { start: 0x3fe000, end: 0x3fe000 + 5000, text: "root.img", reserved: 0 },
    { start: 0x3fd000, end: 0x3fd001, text: "one --flag", reserved: 0 },
    { start: 0x3fc000, end: 0x3fd000, text: "two", reserved: 0 },
  ]);
  for (const [i, [size, seed]] of [[5000, 7], [1, 8], [4096, 9]].entries()) {
    assert.deepEqual(memory.readBytes(info.modules[i].start, size), pattern(size, seed));
  }
  assert.deepEqual(
    kernel.modules.map(({ start }) => start),
    info.modules.map(({ start }) => start),
  );
});

Deno.test("the machine's own memory map is passed on, and what it says is RAM counts for mem_*", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const memoryMap = [
    { start: 0, end: 0x80000, type: 1 },
    { start: 0xe0000, end: 0x100000, type: 3 },
    { start: 0x200000, end: 0x300000, type: 1 },
    { start: 0x100000, end: 0x200000, type: 1 },
    { start: 0x100000000, end: 0x1100000000, type: 1 },
  ];
  const kernel = load(elfKernel(), { memoryMap }, memory);
  const info = readInfo(memory, kernel.info.start);
  assert.equal(info.memLower, 512);
  assert.equal(info.memUpper, 2048);
  assert.deepEqual(
    info.map.map(({ base, length, type }) => [Number(base), Number(base + length), type]),
    memoryMap.map(({ start, end, type }) => [start, end, type]),
  );
});

Deno.test("the boot information evades the BIOS data, what is reserved, the kernel and the modules", () => {
  const reserved = [{ start: 0, end: 0x8010, what: "tables" }];
  assert.equal(load(elfKernel()).info.start, 0x500);
  assert.equal(load(elfKernel(), { reserved }).info.start, 0x8010);
  const all = [{ start: 0, end: MIB, what: "the first MiB" }];
  const high = load(elfKernel(), { reserved: all }).info;
  assert.ok(high.start > 0x300000 && high.end <= 4 * MIB);
  const full = [{ start: 0, end: MIB, what: "it" }, { start: 0x101000, end: 4 * MIB, what: "it" }];
  errorOf(elfKernel(), "multiboot_info", { reserved: full });
});

Deno.test("what can't be loaded or told is refused: empty and oversized modules, odd characters", () => {
  const module = (size: number, cmdline?: string) => ({
    modules: [{ image: new BytesImage("mod", new Uint8Array(size)), cmdline }],
  });
  errorOf(elfKernel(), "size", module(0));
  assert.match(errorOf(elfKernel(), "size", module(4 * MIB)).message, /the module of 4 MiB/);
  assert.ok(errorOf(elfKernel(), "cmdline", module(1, "a\nb")) instanceof CommandLineError);
  assert.ok(errorOf(elfKernel(), "cmdline", { cmdline: "a\0" }) instanceof CommandLineError);
  const noHeader = elfImage({ class: 32, segments: [{ paddr: 0x100000n, data: pattern(9, 1) }] });
  errorOf(noHeader, "magic", { protocol: "multiboot" });
  assert.ok(
    errorOf(elfKernel(), "protocol", { protocol: "flat", format: "elf" }) instanceof
      LoadOptionError,
  );
});

Deno.test("an ELF kernel above 4 GiB can't be started by multiboot", () => {
  const error = errorOf(elfKernel(3, 0x100000000n, 64), "p_paddr");
  assert.match(error.message, /above the 4 GiB/);
});

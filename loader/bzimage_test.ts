import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { readBzImage } from "./bzimage.ts";
import type { SetupField } from "./bzimage_header.ts";
import { CommandLineError, LoaderError, LoadOptionError, PlacementError } from "./errors.ts";
import { BytesImage } from "./image.ts";
import { loadKernel } from "./load.ts";
import type { LoadedLinux32, LoadedLinux64, LoadOptions } from "./loaded.ts";
import { bzImage, pattern } from "./test_images.ts";

const MIB = 1 << 20;
type Fields = Partial<Record<SetupField, number>>;

function load(
  bytes: Uint8Array,
  options: LoadOptions = {},
  memory: GuestMemory = GuestMemory.forTest(4 * MIB),
): LoadedLinux64 | LoadedLinux32 {
  const kernel = loadKernel(memory, new BytesImage("vmlinuz", bytes), options);
  assert.ok(kernel.protocol === "linux64" || kernel.protocol === "linux32");
  return kernel;
}

/** The error that loading gives, which names the field. */
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

function withFields(fields: Fields): Uint8Array {
  return bzImage({ fields });
}

Deno.test("a kernel with a 64-bit entry goes to its preferred address and starts 0x200 into it", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const kernel = load(bzImage(), {}, memory);
  assert.equal(kernel.protocol, "linux64");
  assert.equal(kernel.format, "bzimage");
  assert.equal(kernel.entry, 0x110200);
  assert.deepEqual(kernel.ranges, [{ what: "the kernel", start: 0x110000, end: 0x110800 }]);
  assert.deepEqual(kernel.bzImage?.runtime, { start: 0x110000, end: 0x114000 });
  assert.equal(kernel.bzImage?.version, 0x20f);
  assert.equal(kernel.cmdlineSize, 2047);
  assert.deepEqual(memory.readBytes(0x110000, 0x800), pattern(0x800, 3));
});

Deno.test("a kernel without a 64-bit entry, or one that is asked to, starts at its load address", () => {
  const old = load(withFields({ xloadflags: 0 }));
  assert.equal(old.protocol, "linux32");
  assert.equal(old.entry, 0x110000);
  assert.equal(load(bzImage(), { protocol: "linux32" }).entry, 0x110000);
  const error = errorOf(withFields({ xloadflags: 0 }), "protocol", { protocol: "linux64" });
  assert.ok(error instanceof LoadOptionError);
});

Deno.test("before protocol 2.12 there is no xloadflags, whatever the bytes there are", () => {
  assert.equal(load(withFields({ version: 0x20b, xloadflags: 1 })).protocol, "linux32");
  assert.equal(load(withFields({ version: 0x20c, xloadflags: 1 })).protocol, "linux64");
});

Deno.test("the setup header is given as in the file, but for code32_start", () => {
  const bytes = bzImage();
  const header = load(bytes).bzImage?.setupHeader ?? assert.fail("no header");
  const expected = bytes.slice(0x1f1, 0x26c);
  new DataView(expected.buffer).setUint32(0x214 - 0x1f1, 0x110000, true);
  assert.deepEqual(header, expected);
});

Deno.test("the version string and the payload with its compression are found", () => {
  const bytes = bzImage();
  const payloadAt = 5 * 512 + 0x300;
  const magics = [
    [0x1f, 0x8b, "gzip"],
    [0xfd, 0x37, "xz"],
    [0x02, 0x21, "lz4"],
    [0x28, 0xb5, "zstd"],
    [0x7f, 0x45, "none"],
    [0x00, 0x00, "unknown"],
  ] as const;
  for (const [first, second, compression] of magics) {
    bytes.set([first, second], payloadAt);
    const { payload, kernelVersion } = readBzImage(new BytesImage("vmlinuz", bytes));
    assert.deepEqual(payload, { fileOffset: payloadAt, length: 0x100, compression });
    assert.equal(kernelVersion, "6.1.0-test (builder@host) #1 SMP");
  }
});

Deno.test("a version string that is not one is left out", () => {
  const versionOf = (options: Parameters<typeof bzImage>[0]) =>
    readBzImage(new BytesImage("vmlinuz", bzImage(options))).kernelVersion;
  assert.equal(versionOf({ fields: { kernel_version: 0 } }), undefined);
  assert.equal(versionOf({ fields: { kernel_version: 0x900 } }), undefined);
  assert.equal(versionOf({ kernelVersion: "esc\x1b[2J" }), undefined);
  assert.equal(versionOf({ kernelVersion: "x".repeat(300) }), undefined);
});

Deno.test("setup_sects of zero means four", () => {
  assert.equal(
    readBzImage(new BytesImage("vmlinuz", bzImage({ setupSects: 0 }))).kernelOffset,
    2560,
  );
});

Deno.test("fields that a version does not have yet read as boot.rst's defaults", () => {
  const of = (version: number) =>
    readBzImage(new BytesImage("vmlinuz", withFields({ version }))).header;
  assert.equal(of(0x200).initrd_addr_max, 0x37ffffff);
  assert.equal(of(0x203).initrd_addr_max, 0x7fffffff);
  assert.equal(of(0x205).cmdline_size, 255);
  assert.equal(of(0x206).cmdline_size, 2047);
  assert.equal(of(0x204).relocatable_kernel, 0);
  assert.equal(of(0x209).pref_address, 0);
  assert.equal(of(0x209).init_size, 0);
});

Deno.test("a truncated file is refused, by its setup code or by syssize", () => {
  const bytes = bzImage();
  const error = errorOf(bytes.subarray(0, bytes.length - 1), "syssize");
  assert.equal(
    error.message,
    "vmlinuz: its header tells of 2048 bytes of kernel (syssize), but the file has 2047 behind the " +
      "setup code; the file is truncated: copy it again",
  );
  errorOf(bytes.subarray(0, 2560), "setup_sects");
  errorOf(bytes.subarray(0, 1024), "setup_sects");
  assert.match(errorOf(bytes.subarray(0, 0x26b), "size").message, /end within the setup header/);
});

Deno.test("a signature behind the kernel is not loaded", () => {
  const bytes = bzImage({ kernel: pattern(0x900, 3), fields: { syssize: 0x80 } });
  assert.deepEqual(load(bytes).ranges, [{ what: "the kernel", start: 0x110000, end: 0x110800 }]);
});

Deno.test("before protocol 2.04 syssize has too few bits, so the file's rest is the kernel", () => {
  const kernel = load(withFields({ version: 0x203, syssize: 1 }));
  assert.deepEqual(kernel.ranges, [{ what: "the kernel", start: 0x100000, end: 0x100800 }]);
  assert.equal(kernel.entry, 0x100000);
  // No init_size either: three times the packed size is kept free.
  assert.deepEqual(kernel.bzImage?.runtime, { start: 0x100000, end: 0x103000 });
});

Deno.test("zImages and damaged headers are refused by field", () => {
  assert.match(errorOf(withFields({ loadflags: 0 }), "loadflags").message, /zImage/);
  errorOf(withFields({ syssize: 0 }), "syssize");
  errorOf(bzImage({ kernel: pattern(0x200, 1), fields: { payload_offset: 0 } }), "syssize");
  errorOf(withFields({ jump: 0x6ae9 }), "jump");
  errorOf(withFields({ jump: 0xffeb }), "jump");
  assert.match(errorOf(withFields({ jump: 0x60eb }), "jump").message, /before its init_size/);
  errorOf(withFields({ kernel_alignment: 0 }), "kernel_alignment");
  errorOf(withFields({ kernel_alignment: 3 << 20 }), "kernel_alignment");
  errorOf(withFields({ payload_length: 0x501 }), "payload_length");
  const bytes = bzImage();
  bytes[0x25f] = 0xff;
  assert.equal(errorOf(bytes, "pref_address").value, 0xff00000000110000n);
});

Deno.test("a relocatable kernel evades what is reserved, to the next aligned address above", () => {
  const reserved = [{ start: 0x110000, end: 0x110001, what: "a table" }];
  const bytes = withFields({ kernel_alignment: 0x20000 });
  assert.equal(load(bytes).ranges[0].start, 0x120000);
  assert.equal(load(bzImage(), { reserved }).ranges[0].start, 0x111000);
  // The memory it unpacks itself into has to be free as well, not just its own.
  const behind = [{ start: 0x113fff, end: 0x114000, what: "a table" }];
  assert.equal(load(bzImage(), { reserved: behind }).ranges[0].start, 0x114000);
});

Deno.test("a kernel that isn't relocatable is loaded at code32_start and unpacks to pref_address", () => {
  const fields = { relocatable_kernel: 0, pref_address: 0x200000 };
  const kernel = load(withFields(fields));
  assert.equal(kernel.entry, 0x100200);
  assert.deepEqual(kernel.bzImage?.runtime, { start: 0x200000, end: 0x204000 });
  const reserved = [{ start: 0x203000, end: 0x204000, what: "a table" }];
  const error = errorOf(withFields(fields), "init_size", { reserved });
  assert.match(error.message, /the memory the kernel unpacks itself into .* overlaps a table/);
  errorOf(withFields({ ...fields, pref_address: 16 * MIB }), "init_size");
  const low = [{ start: 0x100000, end: 0x100001, what: "a table" }];
  errorOf(withFields(fields), "code32_start", { reserved: low });
});

Deno.test("init_size has to fit into RAM, and the error tells how much would do", () => {
  const error = errorOf(withFields({ init_size: 60 * MIB }), "init_size");
  assert.ok(error instanceof PlacementError);
  assert.equal(
    error.message,
    "vmlinuz: the kernel needs 60 MiB of free memory between 0x110000 and 4 GiB to unpack itself, " +
      "which this guest does not have; give the guest at least 62 MiB of memory",
  );
  const absurd = errorOf(withFields({ pref_address: 2 ** 40 }), "init_size");
  assert.match(absurd.message, /the file is damaged/);
});

Deno.test("the command line may be as long as cmdline_size, and no longer", () => {
  const bytes = withFields({ cmdline_size: 255 });
  assert.equal(load(bytes, { cmdline: "a".repeat(255) }).cmdline.length, 255);
  const error = errorOf(bytes, "cmdline", { cmdline: "a".repeat(256) });
  assert.ok(error instanceof CommandLineError);
  assert.match(error.message, /has 256 bytes, but this kernel takes 255/);
});

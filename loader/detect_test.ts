import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { detectKernel } from "./detect.ts";
import { KernelFormatError, LoaderError, LoadOptionError } from "./errors.ts";
import { BytesImage } from "./image.ts";
import { loadKernel } from "./load.ts";
import type { LoadOptions } from "./loaded.ts";
import { bzImage, multibootFlat, multibootHeader, pattern, vmlinux } from "./test_images.ts";

const MIB = 1 << 20;

function errorOf(action: () => void): LoaderError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof LoaderError, String(error));
    return error;
  }
  return assert.fail("no error");
}

/** Bytes with a magic at an offset, and enough of them that nothing else is missing. */
function withMagic(offset: number, magic: string | number[]): Uint8Array {
  const bytes = pattern(0x9000, 200);
  const values = typeof magic === "string" ? Array.from(magic, (c) => c.charCodeAt(0)) : magic;
  bytes.set(values, offset);
  return bytes;
}

Deno.test("the format is told by the bytes, and the protocol follows in the documented order", () => {
  const detect = (bytes: Uint8Array) => {
    const { format, protocol } = detectKernel(new BytesImage("kernel", bytes));
    return `${format} ${protocol}`;
  };
  const gap = multibootHeader();
  assert.equal(detect(bzImage()), "bzimage linux64");
  assert.equal(detect(bzImage({ fields: { xloadflags: 0x7e } })), "bzimage linux32");
  assert.equal(detect(vmlinux()), "elf linux64");
  assert.equal(detect(vmlinux({ class: 32 })), "elf linux32");
  assert.equal(detect(vmlinux({ gap })), "elf multiboot");
  assert.equal(detect(vmlinux({ class: 32, gap })), "elf multiboot");
  assert.equal(detect(vmlinux({ gap, pvhEntry: 0x100000n })), "elf pvh");
  assert.equal(detect(vmlinux({ class: 32, gap, pvhEntry: 0x100000n })), "elf pvh");
  assert.equal(detect(multibootFlat()), "multiboot multiboot");
});

Deno.test("what is asked for wins over what would be detected", () => {
  const detect = (bytes: Uint8Array, options: LoadOptions) =>
    detectKernel(new BytesImage("kernel", bytes), options).protocol;
  const every = vmlinux({ class: 32, gap: multibootHeader(), pvhEntry: 0x100000n });
  for (const protocol of ["pvh", "multiboot", "linux32"] as const) {
    assert.equal(detect(every, { protocol }), protocol);
  }
  assert.equal(detect(every, { format: "multiboot" }), "multiboot");
  assert.equal(detect(every, { format: "elf" }), "pvh");
  for (const bytes of [bzImage(), vmlinux(), new Uint8Array(1)]) {
    assert.equal(detect(bytes, { protocol: "flat" }), "flat");
    assert.equal(detect(bytes, { format: "flat" }), "flat");
  }
});

Deno.test("a protocol or format that the kernel does not have is refused, naming those it has", () => {
  const refuse = (bytes: Uint8Array, options: LoadOptions) =>
    errorOf(() => detectKernel(new BytesImage("kernel", bytes), options));
  const wrong = refuse(bzImage(), { protocol: "pvh" });
  assert.ok(wrong instanceof LoadOptionError);
  assert.match(
    wrong.message,
    /bzimage can't be started with the protocol pvh; choose one of linux64/,
  );
  assert.match(refuse(vmlinux(), { protocol: "pvh" }).message, /no PVH entry/);
  assert.match(refuse(vmlinux(), { protocol: "linux32" }).message, /choose linux64/);
  assert.equal(refuse(vmlinux(), { format: "bzimage" }).field, "header");
  assert.equal(refuse(bzImage(), { format: "elf" }).field, "e_ident");
  assert.equal(
    refuse(multibootFlat(), { format: "flat", protocol: "multiboot" }).field,
    "protocol",
  );
});

Deno.test("files that are no kernels are called by their names, with what to do", () => {
  const cases: [Uint8Array, RegExp][] = [
    [withMagic(0, [0x1f, 0x8b]), /gzip data; unpack it first: gzip -dc \/x\/f > vmlinux$/],
    [withMagic(0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /xz data; unpack it first: xz -dc/],
    [withMagic(0, [0x28, 0xb5, 0x2f, 0xfd]), /zstd data.*zstd -dc/],
    [withMagic(0, [0x04, 0x22, 0x4d, 0x18]), /lz4 data.*lz4 -dc/],
    [withMagic(0, [0x02, 0x21, 0x4c, 0x18]), /lz4 \(legacy\) data.*lz4 -dc/],
    [withMagic(0, "!<arch>\ndebian-binary   "), /a Debian package; unpack it \(dpkg -x \/x\/f/],
    [withMagic(0, "!<arch>\nfoo.o/"), /an ar archive/],
    [withMagic(0x8001, "CD001"), /an ISO 9660 image/],
    [withMagic(0x438, [0x53, 0xef]), /an ext2, ext3 or ext4 file system/],
    [withMagic(0, "070701"), /a cpio archive, as an initrd is; give the kernel here/],
    [withMagic(257, "ustar"), /a tar archive/],
    [withMagic(56, "ARMd"), /an arm64 kernel image/],
    [withMagic(0, "MZ"), /an EFI or Windows program/],
    [withMagic(0x1fe, [0x55, 0xaa]), /a boot sector, a disk image/],
    [
      new TextEncoder().encode("#!/bin/sh\nexec true\n"),
      /a text file, starting with "#!\/bin\/sh"/,
    ],
    [new TextEncoder().encode("é".repeat(2000)), /a text file, starting with "é{40}…"/],
    [new TextEncoder().encode("\n\n  {\n"), /a text file, starting with "\{"/],
    [new Uint8Array(0), /this file is empty/],
    [pattern(0x9000, 200), /no kernel that is known here \(its first bytes are 39 40 47/],
    [new Uint8Array(4096), /no kernel that is known here \(its first bytes are 00 00/],
  ];
  for (const [bytes, message] of cases) {
    const error = errorOf(() => detectKernel(new BytesImage("/x/f", bytes)));
    assert.ok(error instanceof KernelFormatError);
    assert.equal(error.field, "format");
    assert.match(error.message, message);
  }
});

Deno.test("a kernel that has Multiboot2 only is told from data by its header's checksum", () => {
  const bytes = pattern(0x9000, 200);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [0xe85250d6, 0, 16, -(0xe85250d6 + 16)].entries()) {
    view.setUint32(0x100 + i * 4, word, true);
  }
  const message = () => errorOf(() => detectKernel(new BytesImage("f", bytes))).message;
  assert.match(message(), /a Multiboot2 kernel/);
  bytes[0x10c] ^= 1;
  assert.match(message(), /no kernel that is known here/);
});

Deno.test("a flat image goes where it is told, and starts there or where it is told", () => {
  const memory = GuestMemory.forTest(MIB);
  const image = new BytesImage("flat.bin", pattern(100, 1));
  const options = (address: number, entry?: number): LoadOptions => ({
    protocol: "flat",
    flat: { address, entry },
  });
  const kernel = loadKernel(memory, image, options(0x7c00));
  assert.deepEqual(kernel, {
    file: "flat.bin",
    format: "flat",
    protocol: "flat",
    entry: 0x7c00,
    ranges: [{ what: "the image", start: 0x7c00, end: 0x7c64 }],
    cmdline: "",
  });
  assert.deepEqual(memory.readBytes(0x7c00, 100), pattern(100, 1));
  assert.equal(loadKernel(memory, image, options(0x7c00, 0x7c63)).entry, 0x7c63);
  const refuse = (options: LoadOptions) => errorOf(() => loadKernel(memory, image, options)).field;
  for (const entry of [0x7c64, 0x7bff, 0x7c00 + 0.5, NaN]) {
    assert.equal(refuse(options(0x7c00, entry)), "flat.entry");
  }
  for (const address of [-1, 0.5, NaN, 2 ** 53]) {
    assert.equal(refuse(options(address)), "flat.address");
  }
  assert.equal(refuse(options(MIB - 99)), "flat.address");
  const reserved = [{ start: 0x7c10, end: 0x7c11, what: "a table" }];
  assert.equal(refuse({ ...options(0x7c00), reserved }), "flat.address");
});

Deno.test("options that a kernel would never hear of are refused", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const refuse = (bytes: Uint8Array, options: LoadOptions) => {
    const error = errorOf(() => loadKernel(memory, new BytesImage("kernel", bytes), options));
    assert.ok(error instanceof LoadOptionError);
    return error.field;
  };
  const image = new BytesImage("m", pattern(10, 1));
  const flat = { address: 0x1000 };
  assert.equal(refuse(bzImage(), { modules: [{ image }] }), "modules");
  assert.equal(refuse(vmlinux(), { modules: [{ image }] }), "modules");
  assert.equal(refuse(bzImage(), { flat }), "flat");
  assert.equal(refuse(bzImage(), { protocol: "flat" }), "flat");
  assert.equal(refuse(bzImage(), { protocol: "flat", flat, initrd: image }), "initrd");
  assert.equal(refuse(bzImage(), { protocol: "flat", flat, cmdline: "quiet" }), "cmdline");
});

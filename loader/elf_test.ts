import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { KernelFormatError, LoaderError, PlacementError } from "./errors.ts";
import { BytesImage } from "./image.ts";
import { loadKernel } from "./load.ts";
import type { LoadedKernel, LoadOptions } from "./loaded.ts";
import { elfImage, elfNote, pattern, pvhNotes, type TestSegment, vmlinux } from "./test_images.ts";

const MIB = 1 << 20;

function load(
  bytes: Uint8Array,
  options: LoadOptions = {},
  memory: GuestMemory = GuestMemory.forTest(4 * MIB),
): LoadedKernel {
  return loadKernel(memory, new BytesImage("vmlinux", bytes), options);
}

/** The error that loading gives, which names the field. */
function errorOf(bytes: Uint8Array, field: string, options: LoadOptions = {}): LoaderError {
  try {
    load(bytes, options);
  } catch (error) {
    assert.ok(error instanceof LoaderError, String(error));
    assert.equal(error.field, field, error.message);
    assert.equal(error.file, "vmlinux");
    return error;
  }
  return assert.fail("no error");
}

/** A valid ELF file with a word of it changed. */
function patched(offset: number, bytes: number[], base = vmlinux()): Uint8Array {
  base.set(bytes, offset);
  return base;
}

const TEXT: TestSegment = { paddr: 0x100000n, vaddr: 0x100000n, data: pattern(0x100, 1) };

Deno.test("segments of both classes go to their physical addresses, and their bss is zeroed", () => {
  for (const width of [32, 64] as const) {
    const memory = GuestMemory.forTest(4 * MIB);
    memory.fill(0, 4 * MIB, 0xcc);
    const kernel = load(vmlinux({ class: width }), {}, memory);
    assert.equal(kernel.protocol, width === 64 ? "linux64" : "linux32");
    assert.equal(kernel.entry, 0x100000);
    assert.deepEqual(kernel.ranges, [
      { what: "segment 0", start: 0x100000, end: 0x100300 },
      { what: "segment 1", start: 0x101000, end: 0x101800 },
    ]);
    assert.deepEqual(memory.readBytes(0x100000, 0x300), pattern(0x300, 1));
    assert.deepEqual(memory.readBytes(0x101000, 0x80), pattern(0x80, 2));
    assert.deepEqual(memory.readBytes(0x101080, 0x780), new Uint8Array(0x780));
    // Nothing around the segments is touched.
    assert.equal(memory.readU8(0xfffff), 0xcc);
    assert.equal(memory.readU8(0x100300), 0xcc);
    assert.equal(memory.readU8(0x101800), 0xcc);
  }
});

Deno.test("a segment is loaded across two regions of RAM that adjoin", () => {
  const memory = GuestMemory.attach({
    regions: [
      {
        guestAddress: 0,
        size: MIB + 0x100,
        buffer: new SharedArrayBuffer(MIB + 0x100),
        byteOffset: 0,
      },
      { guestAddress: MIB + 0x100, size: MIB, buffer: new SharedArrayBuffer(MIB), byteOffset: 0 },
    ],
  });
  load(vmlinux(), {}, memory);
  assert.deepEqual(memory.readBytes(0x100000, 0x300), pattern(0x300, 1));
});

Deno.test("an entry that no physical address has is translated from its virtual one", () => {
  const bytes = elfImage({
    entry: 0xffffffff80000010n,
    segments: [{ ...TEXT, vaddr: 0xffffffff80000000n }],
  });
  assert.equal(load(bytes).entry, 0x100010);
});

Deno.test("an entry that is a physical address stays one, although a segment has it as a virtual one", () => {
  const bytes = elfImage({
    entry: 0x100010n,
    segments: [TEXT, { paddr: 0x200000n, vaddr: 0x100000n, data: pattern(0x100, 2) }],
  });
  assert.equal(load(bytes).entry, 0x100010);
});

Deno.test("an entry in no segment, or virtual in one that is not executable, is refused", () => {
  const error = errorOf(elfImage({ entry: 0x300000n, segments: [TEXT] }), "e_entry");
  assert.equal(error.value, 0x300000n);
  assert.match(error.message, /entry 0x300000 \(e_entry\) is in none of the segments/);
  const data = { ...TEXT, vaddr: 0xc0000000n, flags: 6 };
  errorOf(elfImage({ entry: 0xc0000000n, segments: [data] }), "e_entry");
});

Deno.test("the PVH entry of 4 or 8 bytes is found behind other notes, and preferred to e_entry", () => {
  for (const size of [4, 8] as const) {
    const note = { type: 4, data: pvhNotes(0x100020n, size), align: 4n };
    const kernel = load(elfImage({ segments: [TEXT, note] }));
    assert.equal(kernel.protocol, "pvh");
    assert.equal(kernel.entry, 0x100020);
    assert.ok(kernel.protocol === "pvh" && kernel.guestOs === "linux");
  }
});

Deno.test("notes that are padded to 8 bytes are read where the segment says so", () => {
  const desc = new Uint8Array([0x20, 0, 0x10, 0]);
  const data = new Uint8Array([
    ...elfNote("GNU", 5, new Uint8Array(3), 8),
    ...elfNote("Xen", 18, desc, 8),
  ]);
  const kernel = load(elfImage({ segments: [TEXT, { type: 4, data, align: 8n }] }));
  assert.equal(kernel.entry, 0x100020);
});

Deno.test("a vmlinux with a PVH entry is started directly when that is asked for", () => {
  const bytes = vmlinux({ pvhEntry: 0x100010n });
  assert.equal(load(bytes).protocol, "pvh");
  const direct = load(bytes, { protocol: "linux64" });
  assert.equal(direct.protocol, "linux64");
  assert.equal(direct.entry, 0x100000);
});

Deno.test("a PVH kernel needs no e_entry", () => {
  const note = { type: 4, data: pvhNotes(0x100020n) };
  const bytes = elfImage({ entry: 0n, segments: [TEXT, note] });
  assert.equal(load(bytes).entry, 0x100020);
  errorOf(bytes, "e_entry", { protocol: "linux64" });
});

Deno.test("damaged notes are refused: an entry outside of the kernel, above 4 GiB, of 2 bytes, too long", () => {
  const field = "XEN_ELFNOTE_PHYS32_ENTRY";
  errorOf(vmlinux({ pvhEntry: 0x300000n }), field);
  errorOf(vmlinux({ pvhEntry: 0x100100010n }), field);
  const notes = (data: Uint8Array) => elfImage({ segments: [TEXT, { type: 4, data }] });
  errorOf(notes(elfNote("Xen", 18, new Uint8Array(2))), field);
  errorOf(notes(elfNote("Xen", 18, new Uint8Array(4)).subarray(0, 16)), "n_descsz");
  errorOf(notes(new Uint8Array(12).fill(0x7f)), "n_namesz");
});

Deno.test("files for other machines are refused by the machine's name", () => {
  const machine = (value: number, width: 32 | 64 = 64) =>
    errorOf(elfImage({ class: width, machine: value, segments: [TEXT] }), "e_machine");
  assert.match(machine(183).message, /a 64-bit ELF file for aarch64, where x86-64 is needed/);
  assert.match(machine(40, 32).message, /a 32-bit ELF file for 32-bit Arm, where i386 is needed/);
  assert.match(machine(243).message, /RISC-V/);
  assert.match(machine(0x9999).message, /machine 39321/);
  assert.match(machine(62, 32).message, /a 32-bit ELF file for x86-64/);
  assert.match(errorOf(patched(5, [2]), "EI_DATA").message, /big-endian/);
});

Deno.test("object files, core dumps, programs, and files with nothing to load are told apart", () => {
  const ofType = (type: number) => errorOf(elfImage({ type, segments: [TEXT] }), "e_type").message;
  assert.match(ofType(1), /relocatable object file/);
  assert.match(ofType(4), /core dump/);
  assert.match(ofType(9), /unknown type, 9/);
  assert.equal(load(elfImage({ type: 3, segments: [TEXT] })).entry, 0x100000);
  const interpreter = { type: 3, data: new TextEncoder().encode("/lib64/ld-linux-x86-64.so.2\0") };
  const program = errorOf(elfImage({ segments: [interpreter, TEXT] }), "p_type");
  assert.match(program.message, /needs a dynamic linker/);
  errorOf(elfImage({ segments: [] }), "e_phnum");
  errorOf(elfImage({ segments: [{ ...TEXT, type: 6 }] }), "PT_LOAD");
  errorOf(elfImage({ segments: [{ ...TEXT, filesz: 0n, memsz: 0n }] }), "PT_LOAD");
});

Deno.test("headers that contradict the format or the file's size are refused by field", () => {
  errorOf(patched(4, [3]), "EI_CLASS");
  errorOf(patched(5, [0]), "EI_DATA");
  errorOf(patched(6, [0]), "EI_VERSION");
  errorOf(patched(54, [57, 0]), "e_phentsize");
  errorOf(patched(56, [0xff, 0xff]), "e_phnum");
  errorOf(patched(32, [0, 0, 0, 1]), "e_phoff");
  errorOf(patched(39, [0xff]), "e_phoff");
  errorOf(vmlinux().subarray(0, 63), "e_ehsize");
  errorOf(vmlinux({ class: 32 }).subarray(0, 51), "e_ehsize");
  errorOf(vmlinux().subarray(0, 100), "e_phoff");
  errorOf(vmlinux().subarray(0, 8), "e_ident", { format: "elf" });
});

Deno.test("a truncated file is refused with the segment that is cut off", () => {
  const whole = elfImage({ segments: [TEXT] });
  const error = errorOf(whole.subarray(0, whole.length - 1), "p_filesz");
  assert.ok(error instanceof KernelFormatError);
  assert.match(error.message, /segment 0 \(p_filesz 0x100\) ends beyond the file's 383 bytes/);
  errorOf(elfImage({ segments: [{ ...TEXT, offset: (1n << 64n) - 1n }] }), "p_filesz");
});

Deno.test("a segment larger in the file than in memory is refused", () => {
  const error = errorOf(elfImage({ segments: [{ ...TEXT, memsz: 0x10n }] }), "p_filesz");
  assert.match(error.message, /256 bytes in the file \(p_filesz\) for 16 bytes of memory/);
});

Deno.test("segments over each other are refused", () => {
  const over = { ...TEXT, paddr: 0x1000f0n, data: pattern(0x20, 2) };
  const error = errorOf(elfImage({ segments: [TEXT, over] }), "p_paddr");
  assert.ok(error instanceof PlacementError);
  assert.match(
    error.message,
    /segment 0 at 0x100000–0x100100 overlaps segment 1 at 0x1000f0–0x100110/,
  );
});

Deno.test("a segment beyond RAM tells how much memory would do, where any would", () => {
  const high = elfImage({ segments: [{ ...TEXT, paddr: 0x700000n }] });
  const error = errorOf(high, "p_paddr");
  assert.match(
    error.message,
    /segment 0 \(256 bytes at 0x700000–0x700100\) is not within the guest's memory, 0x0–0x400000; give the guest at least 8 MiB of memory/,
  );
  const virtual = elfImage({ segments: [{ ...TEXT, paddr: 0xffffffff80000000n }] });
  assert.match(errorOf(virtual, "p_paddr").message, /link it to physical addresses/);
  const above = elfImage({ segments: [{ ...TEXT, paddr: 0x100000000n }] });
  assert.match(errorOf(above, "p_paddr").message, /above the 4 GiB/);
  const huge = elfImage({ segments: [{ ...TEXT, memsz: 0xf0000000n }] });
  assert.match(errorOf(huge, "p_paddr").message, /3.8 GiB.*at least 3841 MiB/);
});

Deno.test("a segment over what the machine needs is refused with the name of that", () => {
  const reserved = [{ start: 0x100080, end: 0x101000, what: "the page tables" }];
  const error = errorOf(vmlinux(), "p_paddr", { reserved });
  assert.match(
    error.message,
    /segment 0 at 0x100000–0x100300 overlaps the page tables at 0x100080–0x101000/,
  );
});

Deno.test("nothing is written when any part of the kernel is refused", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const bytes = elfImage({ segments: [TEXT, { ...TEXT, paddr: 0x700000n }] });
  assert.throws(() => load(bytes, {}, memory), PlacementError);
  assert.ok(memory.readBytes(0, 4 * MIB).every((byte) => byte === 0));
});

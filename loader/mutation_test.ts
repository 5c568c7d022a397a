import assert from "node:assert/strict";
import fc from "fast-check";
import { GuestMemory } from "../src/memory/mod.ts";
import { SETUP_HEADER_FIELDS } from "./bzimage_header.ts";
import { LoaderError } from "./errors.ts";
import { BytesImage, type ImageSource } from "./image.ts";
import { loadKernel } from "./load.ts";
import type { LoadedKernel, LoadOptions } from "./loaded.ts";
import { type NamedRange, overlaps } from "./ranges.ts";
import {
  bzImage,
  elfImage,
  multibootFlat,
  multibootHeader,
  pattern,
  vmlinux,
} from "./test_images.ts";

const MIB = 1 << 20;
const RESERVED: readonly NamedRange[] = [
  { start: 0, end: 0x9000, what: "the machine's tables" },
  { start: 0x9fc00, end: MIB, what: "the legacy hole" },
];
/** A valid kernel of each kind, with where its header fields are. */
const KERNELS: readonly { readonly bytes: Uint8Array; readonly fields: readonly Field[] }[] = [
  { bytes: bzImage(), fields: setupFields() },
  { bytes: bzImage({ fields: { xloadflags: 0, relocatable_kernel: 0 } }), fields: setupFields() },
  { bytes: bzImage({ fields: { version: 0x203, jump: 0x30eb } }), fields: setupFields() },
  { bytes: vmlinux(), fields: wordsOf(64 + 2 * 56) },
  { bytes: vmlinux({ pvhEntry: 0x100010n }), fields: [...wordsOf(64 + 3 * 56), ...notes(64)] },
  { bytes: vmlinux({ class: 32 }), fields: wordsOf(52 + 2 * 32) },
  { bytes: vmlinux({ class: 32, pvhEntry: 0x100010n }), fields: wordsOf(52 + 3 * 32) },
  {
    bytes: elfImage({
      class: 32,
      segments: [{ paddr: 0x100000n, data: pattern(64, 1) }],
      gap: multibootHeader(),
    }),
    fields: [...wordsOf(52 + 32), { offset: 96, size: 4 }, { offset: 100, size: 4 }],
  },
  {
    bytes: multibootFlat(),
    fields: wordsOf(32).map(({ offset }) => ({ offset: offset + 64, size: 4 })),
  },
];

interface Field {
  readonly offset: number;
  readonly size: number;
}

function setupFields(): Field[] {
  return Object.values(SETUP_HEADER_FIELDS).map(({ offset, size }) => ({ offset, size }));
}

/** Every 2, 4 and 8 bytes of the first `length`. */
function wordsOf(length: number): Field[] {
  const fields: Field[] = [];
  for (const size of [2, 4, 8]) {
    for (let offset = 0; offset + size <= length; offset += size) fields.push({ offset, size });
  }
  return fields;
}

/** The words of the notes, which are the last thing in {@link vmlinux}. */
function notes(length: number): Field[] {
  const size = vmlinux({ pvhEntry: 0x100010n }).length;
  return wordsOf(length).map((field) => ({ ...field, offset: size - length + field.offset }));
}

/** Values at which checks go wrong: around zero, signs, page and RAM borders, and powers of two. */
const interesting = fc.oneof(
  fc.constantFrom(
    ...[0, 1, 2, 3, 4, 15, 16, 17, 0xff, 0x200, 0x204, 0x20a, 0xfff, 0x1000, 0x7fff, 0xffff].map(
      BigInt,
    ),
    ...[0x9fc00, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 3 * MIB, 4 * MIB].map(BigInt),
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    0x100000000n,
    1n << 53n,
    (1n << 63n) - 1n,
    1n << 63n,
    (1n << 64n) - 1n,
  ),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.nat(4 * MIB).map(BigInt),
);

type Mutation =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly keep: number }
  | { readonly kind: "field"; readonly which: number; readonly value: bigint }
  | { readonly kind: "add"; readonly which: number; readonly delta: number };

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("flip"), at: fc.nat(), bit: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut"), keep: fc.nat() }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("field"), which: fc.nat(), value: interesting }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("add"),
      which: fc.nat(),
      delta: fc.integer({ min: -64, max: 64 }),
    }),
  },
);

function mutate(
  original: Uint8Array,
  fields: readonly Field[],
  mutations: readonly Mutation[],
): Uint8Array {
  let bytes = original.slice();
  for (const change of mutations) {
    if (bytes.length === 0) break;
    switch (change.kind) {
      case "flip": {
        // The headers are in the first kilobyte: most flips should meet them.
        const span = change.at % 4 === 0 ? bytes.length : Math.min(bytes.length, 0x280);
        bytes[change.at % span] ^= 1 << change.bit;
        break;
      }
      case "cut":
        bytes = bytes.subarray(0, change.keep % bytes.length);
        break;
      case "field":
        store(bytes, fields[change.which % fields.length], change.value);
        break;
      case "add": {
        const field = fields[change.which % fields.length];
        store(bytes, field, load(bytes, field) + BigInt(change.delta));
      }
    }
  }
  return bytes;
}

function store(bytes: Uint8Array, { offset, size }: Field, value: bigint): void {
  for (let i = 0; i < size && offset + i < bytes.length; i++) {
    bytes[offset + i] = Number(BigInt.asUintN(64, value) >> BigInt(8 * i) & 0xffn);
  }
}

function load(bytes: Uint8Array, { offset, size }: Field): bigint {
  let value = 0n;
  for (let i = 0; i < size; i++) value |= BigInt(bytes[offset + i] ?? 0) << BigInt(8 * i);
  return value;
}

/**
 * An image with `tail` bytes of zeros behind its own, which takes offence at being read outside of its
 * size or into large buffers other than guest memory: a loader must not allocate what a header asks for.
 */
function guarded(bytes: Uint8Array, tail: number): ImageSource {
  const size = bytes.length + tail;
  return {
    name: "kernel",
    size,
    read(offset, into) {
      assert.ok(offset >= 0 && offset + into.length <= size, `read at ${offset}`);
      assert.ok(into.buffer instanceof SharedArrayBuffer || into.length <= MIB, "large buffer");
      into.fill(0);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** Guest memories of 4 MiB in one region; in two that adjoin; and with a hole below 4 GiB. */
const MEMORIES: readonly GuestMemory[] = [
  [[0, 4 * MIB]],
  [[0, MIB + 0x10100], [MIB + 0x10100, 4 * MIB]],
  [[0, 2 * MIB], [4096 * MIB, 4097 * MIB]],
].map((ranges) =>
  GuestMemory.attach({
    regions: ranges.map(([start, end]) => ({
      guestAddress: start,
      size: end - start,
      buffer: new SharedArrayBuffer(end - start),
      byteOffset: 0,
    })),
  })
);

/** A loaded kernel's promises: everything in RAM, nothing over another thing or what's reserved. */
function checkLoaded(memory: GuestMemory, kernel: LoadedKernel): void {
  const places: NamedRange[] = [...kernel.ranges];
  if ("initrd" in kernel && kernel.initrd) places.push({ ...kernel.initrd, what: "the initrd" });
  if (kernel.protocol === "multiboot") {
    places.push({ ...kernel.info, what: "the boot information" });
    places.push(...kernel.modules.map((module) => ({ ...module, what: "a module" })));
  }
  for (const [i, place] of places.entries()) {
    assert.ok(place.end > place.start, `${place.what} is empty`);
    assert.ok(memory.isRam(place.start, place.end - place.start), `${place.what} is not in RAM`);
    for (const other of [...RESERVED, ...places.slice(i + 1)]) {
      assert.ok(!overlaps(place, other), `${place.what} overlaps ${other.what}`);
    }
  }
  const { entry } = kernel;
  assert.ok(kernel.ranges.some(({ start, end }) => entry >= start && entry < end), "entry");
  if (kernel.protocol === "linux64" || kernel.protocol === "linux32") {
    const runtime = kernel.bzImage?.runtime;
    if (runtime === undefined) return;
    assert.ok(memory.isRam(runtime.start, runtime.end - runtime.start));
    assert.ok(kernel.initrd === undefined || !overlaps(kernel.initrd, runtime));
  }
}

Deno.test("each kernel that the mutations start from loads unchanged", () => {
  const protocols = KERNELS.map(({ bytes }) => {
    const [memory] = MEMORIES;
    const initrd = new BytesImage("initrd", new Uint8Array(5000));
    const kernel = loadKernel(memory, new BytesImage("kernel", bytes), {
      reserved: RESERVED,
      initrd,
    });
    checkLoaded(memory, kernel);
    return kernel.protocol;
  });
  assert.deepEqual(protocols, [
    "linux64",
    "linux32",
    "linux32",
    "linux64",
    "pvh",
    "linux32",
    "pvh",
    "multiboot",
    "multiboot",
  ]);
});

Deno.test("10,000 mutated kernels load within RAM or give a LoaderError, and nothing else", () => {
  const initrd = new BytesImage("initrd", new Uint8Array(5000));
  const options = fc.constantFrom<LoadOptions>(
    {},
    {},
    { initrd },
    { initrd, cmdline: "console=ttyS0 quiet" },
    { protocol: "linux64" },
    { protocol: "linux32" },
    { protocol: "pvh" },
    { protocol: "multiboot" },
    { format: "elf" },
    { format: "bzimage" },
  );
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.nat(KERNELS.length - 1),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      options,
      fc.constantFrom(...MEMORIES),
      fc.constantFrom(0, 0, 0, 1 << 30),
      (which, mutations, choice, memory, tail) => {
        const { bytes, fields } = KERNELS[which];
        const image = guarded(mutate(bytes, fields, mutations), tail);
        let outcome: string;
        try {
          const kernel = loadKernel(memory, image, { ...choice, reserved: RESERVED });
          checkLoaded(memory, kernel);
          outcome = kernel.protocol;
        } catch (error) {
          if (!(error instanceof LoaderError)) throw error;
          assert.ok(error.message.startsWith(`${error.file}: `) && error.message.includes("; "));
          outcome = error.name;
        }
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      },
    ),
    { numRuns: 10_000 },
  );
  // The mutations are worth something only if many kernels survive them and many don't.
  for (
    const outcome of [
      "linux64",
      "linux32",
      "pvh",
      "multiboot",
      "KernelFormatError",
      "PlacementError",
    ]
  ) {
    assert.ok((outcomes.get(outcome) ?? 0) >= 100, `${outcome}: ${outcomes.get(outcome)}`);
  }
});

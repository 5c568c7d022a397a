import assert from "node:assert/strict";
import fc from "fast-check";
import { GuestMemory } from "../src/memory/mod.ts";
import { ImageFileError, KernelFormatError, LoaderError, PlacementError } from "./errors.ts";
import { BytesImage, type ImageSource } from "./image.ts";
import { placeInitrd } from "./initrd.ts";
import { loadKernel } from "./load.ts";
import type { LoadOptions } from "./loaded.ts";
import { overlaps } from "./ranges.ts";
import { bzImage, pattern, vmlinux } from "./test_images.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;

/** An image of zeros that may be looked at, but not loaded. */
function sized(size: number): ImageSource {
  return { name: "initrd.img", size, read: (_, into) => assert.ok(into.length <= 1024) };
}

/** Guest memory whose pages are never touched; SharedArrayBuffers cost nothing until they are. */
function memoryOf(...ranges: [number, number][]): GuestMemory {
  return GuestMemory.attach({
    regions: ranges.map(([guestAddress, size]) => ({
      guestAddress,
      size,
      buffer: new SharedArrayBuffer(size),
      byteOffset: 0,
    })),
  });
}

/** Loads a kernel with an initrd and gives the initrd's place. */
function place(
  kernel: Uint8Array,
  initrd: ImageSource,
  memory: GuestMemory,
  options: LoadOptions = {},
) {
  const loaded = loadKernel(memory, new BytesImage("kernel", kernel), { ...options, initrd });
  assert.ok("initrd" in loaded && loaded.initrd);
  return loaded.initrd;
}

function errorOf(action: () => void): LoaderError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof LoaderError, String(error));
    return error;
  }
  return assert.fail("no error");
}

Deno.test("an initrd is at the top of RAM, page aligned, byte for byte", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  for (const kernel of [bzImage(), vmlinux(), vmlinux({ pvhEntry: 0x100000n })]) {
    const at = place(kernel, new BytesImage("initrd", pattern(5000, 5)), memory);
    assert.deepEqual(at, { start: 0x3fe000, end: 0x3fe000 + 5000 });
    assert.deepEqual(memory.readBytes(at.start, 5000), pattern(5000, 5));
  }
});

Deno.test("an initrd is not above the kernel's initrd_addr_max, which is the last byte it may have", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const one = new BytesImage("initrd", pattern(0x1000, 5));
  const withMax = (max: number) => bzImage({ fields: { initrd_addr_max: max } });
  assert.equal(place(withMax(0x2fffff), one, memory).start, 0x2ff000);
  assert.equal(place(withMax(0x2ffffe), one, memory).start, 0x2fe000);
});

Deno.test("an initrd is below the hole under 4 GiB, although there is RAM above", () => {
  const memory = memoryOf([0, 3 * GIB], [4 * GIB, MIB]);
  const at = placeInitrd(memory, sized(100 * MIB), "initrd", [], 4 * GIB - 1);
  assert.deepEqual(at, { start: 3 * GIB - 100 * MIB, end: 3 * GIB });
  const low = placeInitrd(memory, sized(100 * MIB), "initrd", [], 0x7fffffff);
  assert.equal(low.end, 2 * GIB);
});

Deno.test("an initrd evades the kernel with the memory it unpacks itself into, and what is reserved", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const kernel = bzImage({ fields: { pref_address: 0x200000, init_size: 0x200000 } });
  const reserved = [{ start: 0x1ff800, end: 0x1ff801, what: "a table" }];
  const one = new BytesImage("initrd", pattern(0x1000, 5));
  assert.equal(place(kernel, one, memory).start, 0x1ff000);
  assert.equal(place(kernel, one, memory, { reserved }).start, 0x1fe000);
});

Deno.test("an initrd that does not fit is refused with the sizes and the memory that would do", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const error = errorOf(() => place(bzImage(), sized(64 * MIB), memory));
  assert.ok(error instanceof PlacementError);
  assert.equal(
    error.message,
    "initrd.img: the initrd of 64 MiB does not fit into the guest's memory beside the memory the kernel " +
      "unpacks itself into at 0x110000–0x114000: the largest free range below 0x80000000 has 2.9 MiB; " +
      "give the guest at least 66 MiB of memory",
  );
  const never = errorOf(() => place(bzImage(), sized(2 * GIB), memory));
  assert.match(never.message, /no amount of memory/);
  assert.deepEqual(memory.readBytes(0x110000, 16), new Uint8Array(16), "the kernel is not loaded");
});

Deno.test("the memory that an error asks for is enough, and a MiB less is not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 * MIB }), fc.nat(64), (size, kernelMib) => {
      const taken = [{ start: MIB, end: (1 + kernelMib) * MIB + 1, what: "the kernel" }];
      const attempt = (mib: number) =>
        placeInitrd(memoryOf([0, mib * MIB]), sized(size), "initrd", taken, 0x7fffffff);
      const error = errorOf(() => attempt(1));
      const needed = Number(/at least (\d+) MiB/.exec(error.message)?.[1]);
      const at = attempt(needed);
      assert.ok(at.start % 4096 === 0 && at.end - at.start === size && !overlaps(at, taken[0]));
      assert.throws(() => attempt(needed - 1), PlacementError);
    }),
    { numRuns: 30 },
  );
});

Deno.test("texts, kernels and empty files are no initrds for Linux", () => {
  const memory = GuestMemory.forTest(4 * MIB);
  const refuse = (bytes: Uint8Array, kernel = bzImage()) =>
    errorOf(() => place(kernel, new BytesImage("f", bytes), memory));
  const text = refuse(new TextEncoder().encode("#!/bin/sh\necho hi\n"));
  assert.ok(text instanceof KernelFormatError);
  assert.match(text.message, /not an initrd but a text file, starting with "#!\/bin\/sh"/);
  assert.match(refuse(bzImage()).message, /a kernel or another program/);
  assert.match(
    refuse(vmlinux(), vmlinux({ pvhEntry: 0x100000n })).message,
    /a kernel or another program/,
  );
  assert.ok(refuse(new Uint8Array(0)) instanceof ImageFileError);
  // A cpio archive begins with a text-like header, and packed ones with anything.
  const cpio = new TextEncoder().encode("070701" + "0".repeat(104));
  place(bzImage(), new BytesImage("f", cpio), memory);
  place(bzImage(), new BytesImage("f", Uint8Array.of(0x1f, 0x8b, 8)), memory);
});

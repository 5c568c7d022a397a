import assert from "node:assert/strict";
import fc from "fast-check";
import { liveMappings } from "../ffi/mod.ts";
import { GuestMemory, GuestMemoryError, GuestRam, OutOfMemoryError } from "./mod.ts";

const MIB = 1 << 20;

/** Two regions that adjoin at 0x2000, and a third behind a hole. */
function threeRegions(): GuestMemory {
  const region = (guestAddress: number, size: number) => ({
    guestAddress,
    size,
    buffer: new SharedArrayBuffer(size + 64),
    byteOffset: 64,
  });
  return GuestMemory.attach({
    regions: [region(0x8000, 0x1000), region(0x2000, 0x1000), region(0x1000, 0x1000)],
  });
}

Deno.test("values are little-endian and need no alignment", () => {
  const memory = GuestMemory.forTest(64);
  memory.writeU64(1, 0x1122_3344_5566_7788n);
  assert.equal(memory.readU8(1), 0x88);
  assert.equal(memory.readU16(1), 0x7788);
  assert.equal(memory.readU32(1), 0x5566_7788);
  assert.equal(memory.readU64(1), 0x1122_3344_5566_7788n);
  memory.writeU32(20, 0xffff_ffff);
  assert.equal(memory.readU32(20), 0xffff_ffff);
  memory.writeU16(30, 0x1_2345);
  assert.equal(memory.readU16(30), 0x2345);
});

Deno.test("an access that is not wholly RAM is an error that names the range", () => {
  const memory = threeRegions();
  assert.throws(() => memory.readU32(0x2ffe), (error: unknown) => {
    assert(error instanceof GuestMemoryError);
    assert.equal(error.guestAddress, 0x2ffe);
    assert.equal(error.length, 4);
    assert.equal(error.message, "guest memory 0x2ffe+0x4 is not RAM");
    return true;
  });
  for (const address of [-1, 0.5, NaN, Infinity, 0, 0xfff, 0x3000, 2 ** 53, 2 ** 64]) {
    assert.throws(() => memory.readU8(address), GuestMemoryError, String(address));
    assert.throws(() => memory.read(address, new Uint8Array(2)), GuestMemoryError);
  }
  assert.throws(() => memory.slice(0x1000, -1), GuestMemoryError);
});

Deno.test("bulk copies cross regions that adjoin, and write nothing when a part is not RAM", () => {
  const memory = threeRegions();
  const bytes = Uint8Array.from({ length: 0x800 }, (_, i) => i * 7);
  memory.write(0x1c00, bytes);
  assert.deepEqual(memory.readBytes(0x1c00, 0x800), bytes);
  assert.deepEqual(memory.slices(0x1c00, 0x800).map((piece) => piece.length), [0x400, 0x400]);
  assert.throws(() => memory.slice(0x1c00, 0x800), /crosses two regions/);

  assert.throws(() => memory.write(0x2ff0, new Uint8Array(32).fill(1)), GuestMemoryError);
  assert.deepEqual(memory.readBytes(0x2ff0, 16), new Uint8Array(16));
});

Deno.test("a range is RAM exactly when each of its bytes is", () => {
  const memory = threeRegions();
  const isRamByte = (a: number) => (a >= 0x1000 && a < 0x3000) || (a >= 0x8000 && a < 0x9000);
  fc.assert(
    fc.property(
      fc.integer({ min: 0xf80, max: 0x9080 }),
      fc.integer({ min: 1, max: 64 }),
      (a, n) => {
        const expected = Array.from({ length: n }, (_, i) => isRamByte(a + i)).every(Boolean);
        assert.equal(memory.isRam(a, n), expected);
      },
    ),
    { numRuns: 5000 },
  );
});

Deno.test("overlapping regions are refused", () => {
  const buffer = new SharedArrayBuffer(0x2000);
  assert.throws(
    () =>
      GuestMemory.attach({
        regions: [
          { guestAddress: 0, size: 0x1000, buffer, byteOffset: 0 },
          { guestAddress: 0xff8, size: 0x1000, buffer, byteOffset: 0x1000 },
        ],
      }),
    /overlap at 0xff8/,
  );
});

Deno.test("a string ends at its NUL, and one without is an error", () => {
  const memory = GuestMemory.forTest(32);
  assert.equal(memory.writeCString(4, "console=ttyS0"), 14);
  assert.equal(memory.readCString(4, 20), "console=ttyS0");
  assert.throws(() => memory.readCString(4, 5), /does not end within 5 bytes/);
  memory.fill(0, 32, 0x41);
  assert.throws(() => memory.readCString(28, 100), /0x20\+0x1 is not RAM/);
});

Deno.test("ring indices need an even address", () => {
  const memory = GuestMemory.forTest(32);
  memory.store16(6, 0xfffe);
  assert.equal(memory.load16(6), 0xfffe);
  assert.equal(memory.readU16(6), 0xfffe);
  assert.throws(() => memory.load16(7), /0x7 is not even/);
  assert.throws(() => memory.load16(32), GuestMemoryError);
});

Deno.test("RAM from the host is zero, is shared with other views of its memfd, and is given back", () => {
  const before = liveMappings();
  {
    using ram = GuestRam.allocate([
      { guestAddress: 0, size: 2 * MIB },
      { guestAddress: 2 ** 32, size: 4 * MIB },
    ]);
    assert.equal(ram.memory.size, 6 * MIB);
    assert.equal(ram.slots.length, 2);
    assert.equal(ram.slots[1].hostAddress % BigInt(2 * MIB), 0n);
    assert.equal(ram.memory.readU32(2 ** 32 + 4 * MIB - 4), 0);
    ram.memory.writeU32(2 ** 32, 0x1234_5678);
    const file = Deno.readFileSync(`/proc/self/fd/${ram.fds[1].raw}`);
    assert.deepEqual([...file.subarray(0, 4)], [0x78, 0x56, 0x34, 0x12]);
    assert.equal(liveMappings(), before + 2);
  }
  assert.equal(liveMappings(), before);
});

Deno.test("RAM can be larger than 4 GiB and is reached at both ends", () => {
  using ram = GuestRam.allocate([{ guestAddress: 2 ** 32, size: 6 * 2 ** 30 }], "transparent");
  ram.memory.writeU8(2 ** 32, 1);
  ram.memory.writeU32(2 ** 32 + 6 * 2 ** 30 - 4, 0xdead_beef);
  ram.memory.store16(2 ** 32 + 5 * 2 ** 30, 0xabcd);
  assert.equal(ram.memory.readU32(2 ** 32 + 6 * 2 ** 30 - 4), 0xdead_beef);
  assert.equal(ram.memory.load16(2 ** 32 + 5 * 2 ** 30), 0xabcd);
});

const THP = "/sys/kernel/mm/transparent_hugepage/enabled";
const hasHugePages = await Deno.readTextFile(THP).then(
  (text) => !text.includes("[never]"),
  () => false,
);

/** What this process has of transparent huge pages, in bytes. */
function hugeBytes(): number {
  const rollup = Deno.readTextFileSync("/proc/self/smaps_rollup");
  return 1024 * Number(/^AnonHugePages:\s+(\d+) kB$/m.exec(rollup)?.[1]);
}

Deno.test({
  name:
    "RAM of transparent huge pages has some when it is touched, no descriptor, and is given back",
  ignore: !hasHugePages,
  fn: () => {
    const before = hugeBytes();
    const mappings = liveMappings();
    const ram = GuestRam.allocate([{ guestAddress: 0, size: 16 * MIB }], "transparent");
    assert.deepEqual(ram.fds, []);
    for (let address = 0; address < 16 * MIB; address += 4096) {
      ram.memory.writeU32(address, address);
    }
    assert(hugeBytes() > before, "the host may be short of them, but not of all eight");
    // A process that is started meanwhile changes nothing.
    assert(new Deno.Command("true").outputSync().success);
    ram.memory.writeU32(4096, 1);
    assert.equal(ram.memory.readU32(4096), 1);
    assert.equal(ram.memory.readU32(16 * MIB - 4096), 16 * MIB - 4096);
    ram[Symbol.dispose]();
    assert.equal(hugeBytes(), before);
    assert.equal(liveMappings(), mappings);
  },
});

Deno.test("RAM gets huge pages unasked from 128 MiB on", () => {
  const allocate = (...sizes: number[]) =>
    GuestRam.allocate(sizes.map((size, i) => ({ guestAddress: i * 2 ** 32, size })), "auto");
  using small = allocate(64 * MIB, 62 * MIB);
  using large = allocate(64 * MIB, 64 * MIB);
  assert.deepEqual([small.fds.length, large.fds.length], [2, 0]);
  assert.deepEqual(small.memory.regions.map(({ anonymous }) => anonymous), [false, false]);
  assert.deepEqual(large.memory.regions.map(({ anonymous }) => anonymous), [true, true]);
});

Deno.test("more memory than the host has is refused with both figures", () => {
  assert.throws(
    () => GuestRam.allocate([{ guestAddress: 0, size: 2 ** 46 }]),
    (error: unknown) =>
      error instanceof OutOfMemoryError &&
      /67108864 MiB .* this host has \d+ MiB/.test(error.message),
  );
});

/** More 2 MiB pages than the host has reserved and free. */
function tooManyHugePages(): number {
  const meminfo = Deno.readTextFileSync("/proc/meminfo");
  const free = Number(/HugePages_Free:\s+(\d+)/.exec(meminfo)?.[1] ?? "0");
  return (free + 1) * 2 * MIB;
}

Deno.test("reserved huge pages that the host lacks are refused with the remedy", () => {
  assert.throws(
    () => GuestRam.allocate([{ guestAddress: 0, size: tooManyHugePages() }], "2M"),
    /reserve at least \d+ huge pages \(sysctl vm\.nr_hugepages=\d+\)/,
  );
});

Deno.test("memory that could not be mapped leaves no hole where its buffer is", () => {
  const Original = SharedArrayBuffer;
  const made: SharedArrayBuffer[] = [];
  globalThis.SharedArrayBuffer = class extends Original {
    constructor(length: number) {
      super(length);
      made.push(this);
    }
  } as typeof SharedArrayBuffer;
  try {
    const size = tooManyHugePages();
    assert.throws(() => GuestRam.allocate([{ guestAddress: 0, size }], "2M"), OutOfMemoryError);
  } finally {
    globalThis.SharedArrayBuffer = Original;
  }
  assert.equal(made.length, 1);
  // A hole would end this process here.
  new Uint8Array(made[0]).fill(1);
});

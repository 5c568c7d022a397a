/**
 * Disks in the host's memory.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { OptionsError } from "../../options.ts";
import { readDevice } from "../../read_options.ts";
import { hasFeature } from "../features.ts";
import { pattern, TestDisk } from "./block_test_rig.ts";
import { block } from "./mod.ts";
import { Feature, RequestStatus } from "./protocol.ts";

const MiB = 1 << 20;
const { ok, ioError } = RequestStatus;

function problemsOf(input: unknown): readonly string[] {
  try {
    readDevice(block.options, input);
  } catch (error) {
    assert(error instanceof OptionsError);
    return error.problems;
  }
  throw new Error(`${JSON.stringify(input)} was not refused`);
}

/** The bytes of the host's memory that a file of this process takes. */
function allocated(fd: number): number {
  const stat = Deno.statSync(`/proc/self/fd/${fd}`);
  return (stat.blocks ?? 0) * 512;
}

forEachLayout((layout) => {
  Deno.test(`${layout.name}: a disk in memory begins with zeros and keeps what is written`, async () => {
    await using rig = DeviceRig.create(block, "memory=1M,serial=in-memory");
    rig.start(layout);
    const disk = new TestDisk(rig);
    assert.equal(rig.config.field(0, 8), MiB / 512);
    assert.equal(disk.id(), "in-memory");
    assert.deepEqual(disk.read(0, MiB).data, new Uint8Array(MiB));
    const data = pattern(20 * 512, 1);
    assert.equal(disk.write(3, data), ok);
    assert.equal(disk.flush(), ok);
    const expected = new Uint8Array(22 * 512);
    expected.set(data, 512);
    assert.deepEqual(disk.read(2, 22 * 512).data, expected);
    assert.equal(disk.write(MiB / 512 - 1, pattern(1024, 2)), ioError);
  });
});

Deno.test("a disk in memory takes of the host what is written, and gives back what is discarded", async () => {
  await using rig = DeviceRig.create(block, { memory: "1G" });
  const { fd, kind } = rig.description.backend;
  assert.equal(kind, "memory");
  rig.start();
  const disk = new TestDisk(rig);
  assert.equal(allocated(fd), 0);
  assert.equal(disk.write(0, pattern(4 * MiB, 1)), ok);
  assert.equal(allocated(fd), 4 * MiB);
  assert.equal(disk.discard({ sector: 0, sectors: 2 * MiB / 512 }), ok);
  assert.equal(allocated(fd), 2 * MiB);
  assert.deepEqual(disk.read(0, 512).data, new Uint8Array(512));
  // Nothing in memory files is zeroed by a call of its own; it has to be written.
  assert.equal(disk.writeZeroes({ sector: 2 * MiB / 512, sectors: 3 }), ok);
  const rest = pattern(4 * MiB, 1).subarray(2 * MiB, 2 * MiB + 2048).fill(0, 0, 3 * 512);
  assert.deepEqual(disk.read(2 * MiB / 512, 2048).data, rest);
});

Deno.test("two disks in memory have nothing in common", async () => {
  await using first = DeviceRig.create(block, "memory=64K");
  await using second = DeviceRig.create(block, "memory=64K");
  for (const rig of [first, second]) rig.start();
  assert.equal(new TestDisk(first).write(0, pattern(512, 1)), ok);
  assert.deepEqual(new TestDisk(second).read(0, 512).data, new Uint8Array(512));
});

Deno.test("a disk in memory may be read-only, without discards, with other sectors and safe at once", async () => {
  await using readOnly = DeviceRig.create(block, "memory=64K,ro");
  readOnly.start();
  assert.equal(new TestDisk(readOnly).write(0, pattern(512, 1)), ioError);
  await using kept = DeviceRig.create(block, "memory=64K,discard=off,sector=4096");
  assert(!hasFeature(kept.description.features, Feature.discard));
  assert.equal(kept.config.field(20, 4), 4096);
  await using through = DeviceRig.create(block, "memory=64K,cache=writethrough");
  through.start();
  assert.equal(new TestDisk(through).write(0, pattern(512, 1)), ok);
});

Deno.test("a disk in memory grows and does not shrink", async () => {
  await using rig = DeviceRig.create(block, "memory=1M");
  rig.start();
  assert.deepEqual(rig.command("resize", { size: "2M" }), { size: 2 * MiB });
  const disk = new TestDisk(rig);
  assert.equal(disk.write(2 * MiB / 512 - 1, pattern(512, 1)), ok);
  assert.throws(() => rig.command("resize", { size: "1M" }), /a disk in memory can only grow/);
  assert.deepEqual(rig.command("resize"), { size: 2 * MiB });
});

Deno.test("a disk has a path or is in memory, and one of both", () => {
  assert.deepEqual(problemsOf({}), [
    "a disk needs a PATH, or memory=SIZE for one in the host's memory",
  ]);
  assert.match(problemsOf("disk.img,memory=1M")[0], /^a disk is disk.img or in the host's memory/);
  assert.match(problemsOf("memory")[0], /^memory: it is a size of at least 512 bytes/);
  assert.match(problemsOf("memory=100")[0], /^memory: it is a size of at least 512 bytes/);
  assert.match(problemsOf("memory=1000")[0], /^memory: it is a multiple of the sector's 512 bytes/);
  assert.match(problemsOf("memory=9K,sector=4096")[0], /multiple of the sector's 4096 bytes/);
  assert.match(problemsOf("memory=1M,cache=direct")[0], /^cache: .* leave direct out/);
  // A file of that name can be had all the same.
  assert.equal(readDevice(block.options, "./memory").values.path, "./memory");
});

import assert from "node:assert/strict";
import { DeviceRig } from "../testing/rig.ts";
import { makeImage, pattern, TestDisk, withDirectory } from "./block_test_rig.ts";
import { block } from "./mod.ts";

const MiB = 1 << 20;

Deno.test("a disk grows to a size, or to what its file has become, and the driver is told", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.read(MiB / 512, 512).status, 1);
    assert.deepEqual(rig.command("resize", { size: "2M" }), { size: 2 * MiB });
    assert.equal(rig.config.changes, 1);
    assert.equal(rig.config.field(0, 8), 2 * MiB / 512);
    assert.equal((await Deno.stat(path)).size, 2 * MiB);
    assert.equal(disk.write(MiB / 512, pattern(512, 1)), 0);
    await Deno.truncate(path, 3 * MiB);
    assert.deepEqual(rig.command("resize"), { size: 3 * MiB });
    assert.equal(disk.read(3 * MiB / 512 - 1, 512).status, 0);
    assert.equal(rig.config.changes, 2);
    assert.deepEqual(rig.command("resize", {}), { size: 3 * MiB });
    assert.equal(rig.config.changes, 2, "nothing new, nobody told");
  });
});

Deno.test("a disk whose file has shrunk ends where that ends", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, 2 * MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    assert.throws(
      () => rig.command("resize", { size: MiB }),
      /truncate -s 1048576 .*without a size/,
    );
    await Deno.truncate(path, MiB);
    assert.deepEqual(rig.command("resize"), { size: MiB });
    assert.equal(disk.write(MiB / 512, pattern(512, 1)), 1);
    assert.equal(rig.metrics.read().rejected, 1);
    assert.equal((await Deno.stat(path)).size, MiB);
  });
});

Deno.test("sizes that can't be are refused, and the disk stays as it is", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    assert.throws(() => rig.command("resize", { size: MiB + 100 }), /no multiple of its sectors/);
    assert.throws(() => rig.command("resize", { size: "big" }), /size: it is a size.*"big"/);
    assert.throws(() => rig.command("resize", { sizes: 1 }), /a new size is an object such as/);
    assert.throws(() => rig.command("resize", "2M"), /a new size is an object such as/);
    await Deno.truncate(path, 100);
    assert.throws(() => rig.command("resize"), /has 100 bytes, and a sector has 512/);
    assert.equal(rig.config.field(0, 8), MiB / 512);
    assert.throws(
      () => rig.command("eject"),
      /a disk knows faults, limits, resize and flush, not eject/,
    );
  });
  await withDirectory(async (directory) => {
    await using rig = DeviceRig.create(block, `${await makeImage(directory, MiB)},ro`);
    assert.throws(() => rig.command("resize", { size: "2M" }), /is read-only here/);
    assert.deepEqual(rig.command("flush"), {});
  });
});

Deno.test("a disk that was resized is shown to the driver of a machine that is restored", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    const rig = DeviceRig.create(block, path);
    rig.start();
    const saved = rig.save();
    await rig[Symbol.asyncDispose]();
    await Deno.truncate(path, 2 * MiB);
    await using restored = DeviceRig.create(block, path, { saved });
    restored.resume();
    assert.equal(restored.config.field(0, 8), 2 * MiB / 512);
    assert.equal(restored.config.changes, 1);
    assert.equal(new TestDisk(restored).read(3 * MiB / 1024, 512).status, 0);
  });
});

import assert from "node:assert/strict";
import { EOPNOTSUPP } from "../../../src/ffi/mod.ts";
import { DeviceRig } from "../testing/rig.ts";
import { CallRecorder, makeImage, pattern, TestDisk, withDirectory } from "./block_test_rig.ts";
import { block } from "./mod.ts";
import { RequestStatus } from "./protocol.ts";

const MiB = 1 << 20;
const { ok, ioError } = RequestStatus;

async function command(program: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program, { args, stderr: "null" }).output();
  return success;
}

/** Whether this user may mount, as root may in most places. */
const canMount = await (async () => {
  if (Deno.uid() !== 0) return false;
  const directory = await Deno.makeTempDir();
  try {
    return await command("mount", "-t", "tmpfs", "-o", "size=64k", "none", directory) &&
      await command("umount", directory);
  } finally {
    await Deno.remove(directory);
  }
})();

/** Runs a test with a small file system in memory. */
async function withTmpfs(size: number, run: (directory: string) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    assert(await command("mount", "-t", "tmpfs", "-o", `size=${size}`, "none", directory));
    try {
      await run(directory);
    } finally {
      assert(await command("umount", directory));
    }
  });
}

Deno.test({
  name: "a full disk on the host is an I/O error in the guest and nothing else (needs mount)",
  ignore: !canMount,
  fn: async () => {
    await withTmpfs(MiB, async (directory) => {
      const path = await makeImage(directory, 4 * MiB);
      await using rig = DeviceRig.create(block, path);
      rig.start();
      const disk = new TestDisk(rig);
      let sector = 0;
      let status: number = ok;
      for (; status === ok && sector < 4 * MiB / 512; sector += 128) {
        status = disk.write(sector, pattern(64 * 1024, sector));
      }
      assert.equal(status, ioError);
      assert(rig.log.some((line) => /^a write of \d+ bytes at .* failed with ENOSPC$/.test(line)));
      assert.equal(rig.metrics.read().failed, 1);
      assert.deepEqual(
        disk.read(128, 64 * 1024).data,
        pattern(64 * 1024, 128),
        "the rest is there",
      );
      assert.equal(disk.discard({ sector: 0, sectors: 256 }), ok);
      assert.equal(disk.write(sector, pattern(64 * 1024, 1)), ok, "there is room again");
      assert.equal(disk.flush(), ok);
      // tmpfs can't zero a range without freeing it: zeros are written.
      assert.equal(disk.writeZeroes({ sector: 1024 + 1, sectors: 2 }), ok);
      const expected = pattern(64 * 1024, 1024).fill(0, 512, 3 * 512);
      assert.deepEqual(disk.read(1024, 64 * 1024).data, expected);
    });
  },
});

Deno.test("an image that is cut off under a running disk: I/O errors where it is gone", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    await Deno.truncate(path, 4096 + 512);
    assert.equal(disk.read(0, 4096).status, ok);
    const partly = disk.read(8, 1024);
    assert.deepEqual([partly.status, partly.written], [ioError, 0]);
    assert.equal(disk.read(512, 512).status, ioError);
    assert.match(rig.log[0], /^a read of 512 bytes at byte 4608 of .* failed with EIO$/);
    assert.equal(rig.metrics.read().failed, 2);
    assert.equal(rig.failure, undefined);
  });
});

Deno.test("a descriptor that dies under a running disk: I/O errors, and the log says which", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    const recorder = new CallRecorder();
    await using rig = DeviceRig.create(recorder.module, path);
    rig.start();
    const EBADF = 9;
    recorder.intercept = () => -EBADF;
    const disk = new TestDisk(rig);
    assert.equal(disk.read(0, 512).status, ioError);
    assert.equal(disk.write(0, pattern(512, 1)), ioError);
    assert.equal(disk.discard({ sector: 0, sectors: 8 }), ioError);
    assert.equal(disk.writeZeroes({ sector: 0, sectors: 8 }), ioError);
    assert.equal(disk.flush(), ioError);
    assert.deepEqual(rig.log.map((line) => line.replaceAll(path, "IMAGE")), [
      "a read of 512 bytes at byte 0 of IMAGE failed with EBADF",
      "a write of 512 bytes at byte 0 of IMAGE failed with EBADF",
      "discarding 4096 bytes at byte 0 of IMAGE failed with EBADF",
      "zeroing 4096 bytes at byte 0 of IMAGE failed with EBADF",
      "a flush of IMAGE failed with EBADF",
    ]);
  });
});

Deno.test("on a host that can't free or zero ranges, discards do nothing and zeros are written", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, 4 * MiB);
    await Deno.writeFile(path, pattern(4 * MiB, 1));
    const recorder = new CallRecorder();
    recorder.intercept = ({ name }) => name === "fallocate" ? -EOPNOTSUPP : undefined;
    await using rig = DeviceRig.create(recorder.module, path);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.discard({ sector: 0, sectors: 8 }, { sector: 16, sectors: 8 }), ok);
    assert.equal(recorder.count("fallocate"), 1, "it is asked once");
    const range = { sector: 5, sectors: 3 * MiB / 512 };
    assert.equal(disk.writeZeroes(range), ok);
    assert.equal(disk.writeZeroes({ sector: 8000, sectors: 1, flags: 1 }), ok);
    assert.equal(recorder.count("fallocate"), 2);
    const pieces = recorder.calls.filter(({ name }) => name === "writev");
    assert.deepEqual(pieces.map(({ length }) => length), [MiB, MiB, MiB, 512]);
    const expected = pattern(4 * MiB, 1).fill(0, 5 * 512, 5 * 512 + 3 * MiB)
      .fill(0, 8000 * 512, 8001 * 512);
    assert.deepEqual(await Deno.readFile(path), expected);
  });
});

import assert from "node:assert/strict";
import { EAGAIN, EINTR, EIO, ENOSPC, EventFd, RWF_DSYNC } from "../../../src/ffi/mod.ts";
import { bit } from "../features.ts";
import { DeviceRig } from "../testing/rig.ts";
import {
  answer,
  CallRecorder,
  header,
  makeImage,
  pattern,
  TestDisk,
  withDirectory,
  writeOf,
} from "./block_test_rig.ts";
import { ConfigOffset, Feature, RequestStatus, RequestType } from "./protocol.ts";

const MiB = 1 << 20;
const { ok, ioError } = RequestStatus;
const FLUSH = bit(Feature.flush);
const SWITCH = bit(Feature.configWce);
const flushRequest = { readable: [header(RequestType.flush, 0)], writable: [1] };

/** Runs a test with a disk whose system calls are recorded. */
async function withRecorder(
  options: Record<string, unknown>,
  run: (rig: Awaited<ReturnType<typeof open>>, recorder: CallRecorder) => void,
): Promise<void> {
  await withDirectory(async (directory) => {
    const recorder = new CallRecorder();
    await using rig = open(await makeImage(directory, MiB), options, recorder);
    run(rig, recorder);
  });
}

function open(path: string, options: Record<string, unknown>, recorder: CallRecorder) {
  return DeviceRig.create(recorder.module, { path, ...options });
}

Deno.test("writeback: writes are as fast as the cache, and a flush is one fdatasync", async () => {
  for (const cache of ["writeback", "direct"]) {
    await withRecorder({ cache }, (rig, recorder) => {
      rig.start();
      const disk = new TestDisk(rig);
      assert.equal(rig.config.field(ConfigOffset.writeback, 1), 1);
      for (let i = 0; i < 5; i++) assert.equal(disk.write(i, pattern(512, i)), ok);
      assert.equal(recorder.count("writev"), 5);
      assert.equal(recorder.count("writev", RWF_DSYNC), 0);
      assert.equal(recorder.count("fdatasync"), 0);
      assert.equal(disk.flush(), ok);
      assert.equal(recorder.count("fdatasync"), 1);
    });
  }
});

Deno.test("writethrough: each write is durable before it is done, zeroes too", async () => {
  await withRecorder({ cache: "writethrough" }, (rig, recorder) => {
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(rig.config.field(ConfigOffset.writeback, 1), 0);
    for (let i = 0; i < 5; i++) assert.equal(disk.write(i, pattern(512, i)), ok);
    assert.equal(recorder.count("writev", RWF_DSYNC), 5);
    assert.equal(recorder.count("fdatasync"), 0);
    assert.equal(disk.writeZeroes({ sector: 0, sectors: 8 }), ok);
    assert.deepEqual(recorder.calls.slice(-2).map(({ name }) => name), ["fallocate", "fdatasync"]);
    // The switch is the guest's, the mode is the host's: it may ask for less, and gets more.
    rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(1));
    assert.equal(disk.write(0, pattern(512, 9)), ok);
    assert.equal(recorder.count("writev", RWF_DSYNC), 6);
  });
});

Deno.test("unsafe: flushes are ignored, and the switch is not offered", async () => {
  await withRecorder({ cache: "unsafe" }, (rig, recorder) => {
    assert.equal(rig.description.features & SWITCH, 0n);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.write(0, pattern(512, 1)), ok);
    assert.equal(disk.flush(), ok);
    rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(0));
    assert.equal(disk.write(0, pattern(512, 2)), ok);
    assert.equal(recorder.count("fdatasync"), 0);
    assert.equal(recorder.count("writev", RWF_DSYNC), 0);
  });
});

Deno.test("a guest that switches its write cache off has durable writes from then on", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.write(0, pattern(512, 1)), ok);
    rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(0));
    assert.equal(disk.write(0, pattern(512, 2)), ok);
    assert.equal(recorder.count("writev", RWF_DSYNC), 1);
    rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(7));
    assert.equal(disk.write(0, pattern(512, 3)), ok);
    assert.equal(recorder.count("writev", RWF_DSYNC), 1);
    rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(0));
    rig.reset();
    assert.equal(rig.config.field(ConfigOffset.writeback, 1), 1, "as at first");
  });
});

Deno.test("a guest that can't flush has durable writes, and sees its write cache off", async () => {
  for (const features of [0n, SWITCH]) {
    await withRecorder({}, (rig, recorder) => {
      rig.start({ features });
      assert.equal(new TestDisk(rig).write(0, pattern(512, 1)), ok);
      assert.equal(recorder.count("writev", RWF_DSYNC), 1);
      if (features === SWITCH) assert.equal(rig.config.field(ConfigOffset.writeback, 1), 0);
    });
  }
});

Deno.test("a guest that flushes and doesn't know the switch has a write cache", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start({ features: SWITCH });
    rig.reset();
    rig.start({ features: FLUSH });
    // As if an earlier driver had left it so.
    rig.config.bytes[ConfigOffset.writeback] = 0;
    assert.equal(new TestDisk(rig).write(0, pattern(512, 1)), ok);
    assert.equal(recorder.count("writev", RWF_DSYNC), 0);
  });
});

Deno.test("flushes that come while one is under way share the next, which begins after it", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start();
    recorder.holding = ({ name }) => name === "fdatasync";
    const first = rig.offer(0, flushRequest);
    assert.equal(recorder.count("fdatasync"), 1);
    assert.equal(new TestDisk(rig).write(0, pattern(512, 1)), ok, "others go on meanwhile");
    const later = [1, 2, 3].map(() => rig.offer(0, flushRequest));
    assert.equal(
      recorder.count("fdatasync"),
      1,
      "the one under way may be too early for that write",
    );
    recorder.release();
    rig.run(() => rig.collect(0).length === 1);
    assert.equal(rig.completed[0][0].token, first);
    assert.equal(recorder.count("fdatasync"), 2);
    rig.loop.turn(1);
    assert.equal(rig.collect(0).length, 1, "the second has not ended");
    recorder.release();
    rig.run(() => rig.collect(0).length === 4);
    assert.deepEqual(rig.completed[0].slice(1).map(({ token }) => token), later);
    assert.equal(recorder.count("fdatasync"), 2);
  });
});

Deno.test("once a flush has failed, none succeeds: the kernel forgets what it could not write", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start();
    const disk = new TestDisk(rig);
    recorder.holding = ({ name }) => name === "fdatasync";
    rig.offer(0, flushRequest);
    rig.offer(0, flushRequest);
    recorder.intercept = ({ name }) => name === "fdatasync" ? -EIO : undefined;
    recorder.release();
    rig.run(() => rig.collect(0).length === 2);
    for (const done of rig.completed[0]) assert.equal(answer(done).status, ioError);
    recorder.intercept = () => undefined;
    recorder.holding = () => false;
    assert.equal(disk.flush(), ioError);
    assert.equal(recorder.count("fdatasync"), 1, "there is no use in asking again");
    assert.equal(disk.write(0, pattern(512, 1)), ok);
    assert.match(rig.log[0], /^a flush of .*disk.img failed with EIO$/);
    rig.reset();
    rig.start();
    assert.equal(disk.flush(), ioError, "a new driver doesn't bring the writes back");
  });
});

Deno.test("lost writes stay lost over save and restore", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    const recorder = new CallRecorder();
    await using rig = open(path, {}, recorder);
    rig.start({ packed: true });
    recorder.intercept = ({ name }) => name === "fdatasync" ? -ENOSPC : undefined;
    assert.equal(new TestDisk(rig).flush(), ioError);
    recorder.intercept = () => undefined;
    const saved = rig.save();
    assert.deepEqual(saved.state, { version: 1, lostWrites: ENOSPC });
    await rig[Symbol.asyncDispose]();
    await using restored = DeviceRig.create(recorder.module, path, { saved });
    restored.resume();
    const disk = new TestDisk(restored);
    assert.equal(disk.write(1, pattern(512, 1)), ok);
    assert.equal(disk.flush(), ioError);
    assert.throws(() => restored.device.restore?.({ version: 1, lostWrites: -1 }), /lostWrites/);
    assert.throws(() => restored.device.restore?.({ version: 2, lostWrites: 0 }), /version 2/);
  });
});

Deno.test("a durable write that fails for want of room concerns no other; a failed device does", async () => {
  for (const [errno, flush] of [[ENOSPC, ok], [EIO, ioError]] as const) {
    await withRecorder({}, (rig, recorder) => {
      rig.start();
      const disk = new TestDisk(rig);
      rig.writeConfig(ConfigOffset.writeback, Uint8Array.of(0));
      recorder.intercept = ({ name }) => name === "writev" ? -errno : undefined;
      assert.equal(disk.write(0, pattern(512, 1)), ioError);
      recorder.intercept = () => undefined;
      assert.equal(disk.flush(), flush);
    });
  }
});

Deno.test("the host can flush too, and where that fails the guest's flushes fail as well", async () => {
  await withRecorder({}, (rig) => {
    rig.start();
    const disk = new TestDisk(rig);
    assert.deepEqual(rig.command("flush"), {});
    assert.equal(disk.flush(), ok);
    using eventfd = new EventFd("no disk");
    // Nothing that could be synced.
    Object.assign(rig.description.backend, { fd: eventfd.raw });
    assert.throws(() => rig.command("flush"), /flushing .*disk.img: fdatasync failed with EINVAL/);
    assert.equal(disk.flush(), ioError);
  });
});

Deno.test("a write goes on where the kernel stopped, and tries again when it was interrupted", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start();
    const disk = new TestDisk(rig);
    const results = [-EINTR, 512, 1024, -EAGAIN, -EAGAIN];
    recorder.intercept = ({ name }) => name === "fdatasync" ? undefined : results.shift();
    assert.equal(disk.write(0, pattern(4096, 1)), ok);
    assert.deepEqual(recorder.calls.map(({ offset, length }) => [offset, length]), [
      [0, 4096],
      [0, 4096],
      [512, 3584],
      [1536, 2560],
      [1536, 2560],
      [1536, 2560],
    ]);
    // What was said to be written by the kernel's forged answers is not: the rest is, in its place.
    assert.deepEqual(disk.read(3, 2560).data, pattern(4096, 1).subarray(1536));
  });
});

Deno.test("writes that the kernel never has room for fail at last, without end they don't try", async () => {
  await withRecorder({}, (rig, recorder) => {
    rig.start();
    recorder.intercept = ({ name }) => name === "writev" ? -EAGAIN : undefined;
    assert.equal(new TestDisk(rig).write(0, pattern(512, 1)), ioError);
    assert.match(rig.log[0], /^a write of 512 bytes at byte 0 of .* failed with EAGAIN$/);
    rig.offer(0, writeOf(0, pattern(512, 1)));
    rig.stop();
  });
});

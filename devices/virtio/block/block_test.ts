import assert from "node:assert/strict";
import { bit } from "../features.ts";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import {
  header,
  makeImage,
  pattern,
  rangesOf,
  readOf,
  TestDisk,
  withDirectory,
  writeOf,
} from "./block_test_rig.ts";
import { block } from "./mod.ts";
import { ConfigOffset, Feature, RequestStatus, RequestType } from "./protocol.ts";

const MiB = 1 << 20;
const { ok, ioError, unsupported } = RequestStatus;

forEachLayout((layout) => {
  Deno.test(`${layout.name}: what is written is in the image and is read back`, async () => {
    await withDirectory(async (directory) => {
      const path = await makeImage(directory, MiB);
      await using rig = DeviceRig.create(block, path);
      rig.start(layout);
      const disk = new TestDisk(rig);
      const data = pattern(20 * 512, 1);
      assert.equal(disk.write(3, data), ok);
      const { status, data: back, written } = disk.read(2, 22 * 512);
      assert.equal(status, ok);
      assert.equal(written, 22 * 512 + 1);
      assert.deepEqual(
        back,
        Uint8Array.of(...new Uint8Array(512), ...data, ...new Uint8Array(512)),
      );
      assert.deepEqual((await Deno.readFile(path)).subarray(3 * 512, 23 * 512), data);
      assert.deepEqual(rig.metrics.read(), {
        ...{ reads: 1, read_bytes: 22 * 512, writes: 1, written_bytes: 20 * 512 },
        ...{ flushes: 0, discards: 0, write_zeroes: 0, rejected: 0, failed: 0, throttled: 0 },
        ...{ faults_failed: 0, faults_stalled: 0, faults_delayed: 0, faults_lied: 0 },
      });
    });
  });

  Deno.test(`${layout.name}: header, data and status may lie in any pieces`, async () => {
    await withDirectory(async (directory) => {
      await using rig = DeviceRig.create(block, await makeImage(directory, MiB));
      rig.start(layout);
      const disk = new TestDisk(rig);
      const data = pattern(1024, 2);
      const request = Uint8Array.of(...header(RequestType.out, 8), ...data);
      const cuts = [0, 1, 7, 16 + 3, 16 + 512, 16 + 1000, request.length];
      const readable = cuts.slice(1).map((end, i) => request.slice(cuts[i], end));
      assert.equal(disk.request({ readable, writable: [1] }).status, ok);
      const all = { readable: [header(RequestType.in, 8)], writable: [1025] };
      assert.deepEqual(disk.request(all).data, data, "the status is in the last piece of the data");
      const pieces = { readable: all.readable, writable: [1, 511, 500, 12, 1] };
      assert.deepEqual(disk.request(pieces), { status: ok, data, written: 1025 });
    });
  });

  Deno.test(`${layout.name}: many requests at once are all answered, from each queue`, async () => {
    await withDirectory(async (directory) => {
      await using rig = DeviceRig.create(block, {
        path: await makeImage(directory, MiB),
        queues: 3,
      });
      rig.start(layout);
      const count = 60;
      for (let i = 0; i < 3 * count; i++) {
        rig.driver.queue(i % 3).offer(writeOf(i * 4, pattern(2048, i)));
      }
      for (let queue = 0; queue < 3; queue++) rig.kick(queue);
      rig.run(() => [0, 1, 2].every((queue) => rig.collect(queue).length === count));
      for (const { writable } of rig.completed.flat()) assert.equal(writable[0], ok);
      const disk = new TestDisk(rig, 1);
      for (let i = 0; i < 3 * count; i++) {
        assert.deepEqual(disk.read(i * 4, 2048).data, pattern(2048, i));
      }
    });
  });
});

Deno.test("a disk tells its name, or the serial number it was given", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    for (
      const [input, id] of [[{}, "a-name-that-is-rather-long"], [{ serial: "S-1" }, "S-1"]] as const
    ) {
      await using rig = DeviceRig.create(block, { path, ...input }, {
        id: "a-name-that-is-rather-long",
      });
      rig.start();
      const disk = new TestDisk(rig);
      assert.equal(disk.id(), id.slice(0, 20));
      const short = disk.request({ readable: [header(RequestType.getId, 0)], writable: [3, 1] });
      assert.equal(
        new TextDecoder().decode(short.data),
        id.slice(0, 3),
        "only what there's room for",
      );
    }
  });
});

Deno.test("ranges outside the disk, and parts of sectors, are I/O errors and move nothing", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    const end = MiB / 512;
    const cases: [number, number][] = [
      [end, 512],
      [end - 1, 1024],
      [2 ** 40, 512],
      [2 ** 55, 512],
      [2 ** 64 - 2048, 512],
      [0, 511],
      [0, 513],
    ];
    for (const [sector, length] of cases) {
      const read = disk.read(sector, length);
      assert.deepEqual([read.status, read.written], [ioError, 0], `read ${length} at ${sector}`);
      assert.equal(disk.write(sector, pattern(length, 3)), ioError, `write ${length} at ${sector}`);
    }
    assert.deepEqual(await Deno.readFile(path), new Uint8Array(MiB));
    assert.equal(disk.write(end - 1, pattern(512, 4)), ok);
    assert.equal(disk.read(end, 0).status, ok, "nothing, at the very end");
    assert.equal(rig.metrics.read().rejected, 2 * cases.length);
    assert.deepEqual(rig.log, []);
  });
});

Deno.test("with sectors of 4096 bytes, requests consist of these", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, { path, sector: 4096 });
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(rig.config.field(ConfigOffset.blockSize, 4), 4096);
    assert.equal(
      rig.config.field(ConfigOffset.capacity, 8),
      MiB / 512,
      "in units of 512 all the same",
    );
    assert.equal(disk.write(8, pattern(4096, 5)), ok);
    assert.equal(disk.read(1, 4096).status, ioError);
    assert.equal(disk.read(8, 512).status, ioError);
    assert.equal(disk.discard({ sector: 1, sectors: 8 }), ioError);
    assert.deepEqual(disk.read(8, 4096).data, pattern(4096, 5));
  });
});

Deno.test("requests that the device does not know, or did not offer, are unsupported", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, { path, discard: "off" });
    rig.start({ features: bit(Feature.flush) });
    const disk = new TestDisk(rig);
    for (const type of [2, 3, 5, 7, 10, 12, 14, 24, 0x8000_0000, 0xffff_ffff]) {
      assert.equal(
        disk.request({ readable: [header(type, 0)], writable: [1] }).status,
        unsupported,
      );
    }
    assert.equal(disk.discard({ sector: 0, sectors: 8 }), unsupported);
    assert.equal(disk.writeZeroes({ sector: 0, sectors: 8 }), unsupported);
  });
});

Deno.test("a buffer that is no request stops the device, and a reset brings it back", async () => {
  await withDirectory(async (directory) => {
    await using rig = DeviceRig.create(block, await makeImage(directory, MiB));
    const broken = [
      { readable: [header(0, 0).slice(0, 15)], writable: [513] },
      { readable: [header(1, 0), new Uint8Array(512)] },
      { writable: [513] },
    ];
    for (const buffer of broken) {
      rig.start();
      rig.offer(0, readOf(0, 4096));
      rig.offer(0, buffer);
      assert.match(String(rig.failure), /VirtqueueError: a block request has/);
      rig.reset();
      rig.start();
      assert.equal(new TestDisk(rig).read(0, 512).status, ok);
      rig.reset();
    }
  });
});

Deno.test("a discard gives blocks back to the host, and reads as zeros", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.write(0, pattern(512 * 1024, 6)), ok);
    disk.flush();
    const blocks = () => (Deno.statSync(path).blocks ?? 0) * 512;
    const before = blocks();
    assert(before >= 512 * 1024);
    // Of the second range only the whole blocks of 4096 bytes can go.
    const segments = [{ sector: 0, sectors: 256 }, { sector: 513, sectors: 254 }];
    assert.equal(disk.discard(...segments, { sector: 0, sectors: 0 }), ok);
    assert(blocks() <= before - 128 * 1024 - 120 * 1024, `${before} and then ${blocks()} bytes`);
    const image = await Deno.readFile(path);
    assert.equal(image.length, MiB);
    assert.deepEqual(image.subarray(0, 128 * 1024), new Uint8Array(128 * 1024));
    assert.deepEqual(
      image.subarray(128 * 1024, 513 * 512),
      pattern(MiB, 6).subarray(128 * 1024, 513 * 512),
    );
  });
});

Deno.test("write zeroes makes zeros, and keeps the blocks unless it may free them", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    disk.write(0, pattern(256 * 1024, 7));
    disk.flush();
    const blocks = () => (Deno.statSync(path).blocks ?? 0) * 512;
    const before = blocks();
    assert.equal(disk.writeZeroes({ sector: 3, sectors: 100 }), ok);
    assert.equal(disk.writeZeroes({ sector: 200, sectors: 1 }), ok);
    assert.equal(blocks(), before);
    const expected = pattern(256 * 1024, 7).fill(0, 3 * 512, 103 * 512).fill(
      0,
      200 * 512,
      201 * 512,
    );
    assert.deepEqual(disk.read(0, 256 * 1024).data, expected);
    assert.equal(disk.writeZeroes({ sector: 0, sectors: 256, flags: 1 }), ok);
    assert(blocks() <= before - 128 * 1024);
    assert.deepEqual(disk.read(0, 256 * 1024).data, expected.fill(0, 0, 128 * 1024));
  });
});

Deno.test("ranges that are too many, too long, outside or oddly flagged are refused as a whole", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await Deno.writeFile(path, pattern(MiB, 8));
    await using rig = DeviceRig.create(block, path);
    rig.start();
    const disk = new TestDisk(rig);
    const good = { sector: 0, sectors: 8 };
    const outside = { sector: MiB / 512 - 1, sectors: 2 };
    const long = { sector: 0, sectors: 0x20_0001 };
    for (const type of [RequestType.discard, RequestType.writeZeroes]) {
      const status = (...segments: Parameters<typeof rangesOf>[1]) =>
        disk.request(rangesOf(type, segments)).status;
      assert.equal(status(outside), ioError);
      assert.equal(status(long), ioError);
      assert.equal(status({ sector: 2 ** 60, sectors: 1 }), ioError);
      const most = type === RequestType.discard ? 32 : 1;
      assert.equal(status(...Array.from({ length: most + 1 }, () => good)), ioError);
      assert.equal(status(), ioError);
      assert.equal(status({ ...good, flags: 2 }), unsupported);
      const odd = { readable: [header(type, 0), new Uint8Array(24)], writable: [1] };
      assert.equal(disk.request(odd).status, ioError);
    }
    assert.equal(disk.discard(good, outside), ioError, "none of it is done");
    assert.equal(disk.discard(good, { ...good, flags: 2 }), unsupported);
    assert.equal(disk.discard({ ...good, flags: 1 }), unsupported, "unmap is for write zeroes");
    assert.deepEqual(await Deno.readFile(path), pattern(MiB, 8));
  });
});

Deno.test("a read-only disk can be read and flushed, and stays as it is", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await Deno.writeFile(path, pattern(MiB, 9));
    await using rig = DeviceRig.create(block, `${path},ro`);
    const offered = rig.description.features;
    assert.equal(offered & bit(Feature.readOnly), bit(Feature.readOnly));
    assert.equal(offered & (bit(Feature.discard) | bit(Feature.writeZeroes)), 0n);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.write(0, new Uint8Array(512)), ioError);
    assert.equal(disk.write(0, new Uint8Array(0)), ioError);
    assert.equal(disk.discard({ sector: 0, sectors: 8 }), unsupported);
    assert.equal(disk.flush(), ok);
    assert.deepEqual(disk.read(0, 4096).data, pattern(4096, 9));
    assert.deepEqual(await Deno.readFile(path), pattern(MiB, 9));
  });
});

Deno.test("queues follow the number of vCPUs up to four, or what was asked for", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    for (
      const [cpus, input, queues] of [[1, {}, 1], [3, {}, 3], [64, {}, 4], [
        2,
        { queues: 7 },
        7,
      ]] as const
    ) {
      await using rig = DeviceRig.create(block, { path, ...input }, { cpus });
      assert.equal(rig.description.queueSizes.length, queues);
      assert.equal(rig.config.field(ConfigOffset.queueCount, 2), queues);
      const offered = (rig.description.features & bit(Feature.multiQueue)) !== 0n;
      assert.equal(offered, queues > 1);
      // A driver that does not know several queues uses the first.
      rig.start({
        features: 0n,
        queueSizes: rig.description.queueSizes.map((size, i) => i === 0 ? size : 0),
      });
      assert.equal(new TestDisk(rig).read(0, 512).status, ok);
    }
  });
});

Deno.test("stopped in the middle, a disk goes on where it was", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, `${path},iops=200,iops-burst=5`);
    rig.start();
    for (let i = 0; i < 40; i++) rig.driver.queue(0).offer(writeOf(i, pattern(512, i)));
    rig.kick(0);
    for (let i = 0; i < 4; i++) {
      rig.stop();
      const before = rig.collect(0).length;
      rig.resume();
      rig.run(() => rig.collect(0).length > before);
    }
    rig.run(() => rig.collect(0).length === 40);
    const image = await Deno.readFile(path);
    for (let i = 0; i < 40; i++) {
      assert.deepEqual(image.subarray(i * 512, i * 512 + 512), pattern(512, i));
    }
  });
});

/**
 * What a disk does under each of its faults, in every layout of queues.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import {
  answer,
  CallRecorder,
  makeImage,
  pattern,
  readOf,
  TestDisk,
  withDirectory,
  writeOf,
} from "./block_test_rig.ts";
import { nothingComes, SECTORS, SIZE, was, withDisk } from "./faults_test_rig.ts";
import type { BlockFault } from "./mod.ts";
import { RequestStatus } from "./protocol.ts";

const { ok, ioError } = RequestStatus;

forEachLayout((layout) => {
  Deno.test(`${layout.name}: a bad sector fails what touches it, and nothing else`, async () => {
    await withDisk((rig, path) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      rig.command("faults", [{ action: "error", sectors: [100, 101] }]);
      assert.equal(disk.read(100, 512).status, ioError);
      assert.equal(disk.read(96, 8 * 512).status, ioError);
      assert.equal(disk.write(101, pattern(512, 2)), ioError);
      assert.equal(disk.writeZeroes({ sector: 90, sectors: 11 }), ioError);
      assert.equal(disk.discard({ sector: 0, sectors: 8 }, { sector: 101, sectors: 8 }), ioError);
      assert.equal(disk.flush(), ok, "a flush has no sectors");
      assert.deepEqual(disk.read(92, 8 * 512), { status: ok, data: was(92, 4096), written: 4097 });
      assert.equal(disk.write(102, pattern(512, 2)), ok);
      assert.equal(disk.id(), "device0");
      assert.equal(rig.metrics.read().faults_failed, 5);
      assert.match(rig.log[0], /a read at byte 51200, by a fault that is set, of .* with EIO/);
      assert.deepEqual(rig.command("faults", []), []);
      assert.deepEqual(disk.read(100, 1024).data, was(100, 1024));
      assert.deepEqual(Deno.readFileSync(path).subarray(51712, 52224), was(101, 512));
    });
  });

  Deno.test(`${layout.name}: each request can be the one that fails, at a rate, a number of times`, async () => {
    await withDisk((rig) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      rig.command("faults", [
        { action: "error", op: "flush", after: 1, count: 1 },
        { action: "error", op: "read", rate: 0.3, seed: 7 },
        { action: "full", op: "write", after: 2 },
        { action: "error", op: "discard" },
      ]);
      assert.deepEqual([disk.flush(), disk.flush(), disk.flush()], [ok, ioError, ok]);
      const reads = () => Array.from({ length: 100 }, () => disk.read(0, 512).status);
      const first = reads();
      const failed = first.filter((status) => status === ioError).length;
      assert(failed > 15 && failed < 45, `${failed} of 100 failed`);
      const writes = [1, 2, 3].map((seed) => disk.write(0, pattern(512, seed)));
      assert.deepEqual(writes, [ok, ok, ioError]);
      assert.match(rig.log.at(-1) ?? "", /ENOSPC/);
      assert.equal(disk.writeZeroes({ sector: 0, sectors: 1 }), ioError);
      assert.equal(disk.discard({ sector: 0, sectors: 8 }), ioError);
      const shown = rig.command("faults") as { seen: number; hits: number }[];
      assert.deepEqual(shown.map(({ seen, hits }) => [seen, hits]), [
        [3, 1],
        [100, failed],
        [4, 2],
        [1, 1],
      ]);
      rig.command("faults", [{ action: "error", op: "read", rate: 0.3, seed: 7 }]);
      assert.deepEqual(reads(), first, "the same seed, the same faults");
      rig.command("faults", [{ action: "error", op: "read", rate: 0.3, seed: 8 }]);
      assert.notDeepEqual(reads(), first);
    });
  });

  Deno.test(`${layout.name}: what stalls goes on when the fault is switched off, others meanwhile`, async () => {
    await withDisk((rig, path) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      rig.command("faults", [{ action: "stall", sectors: [8, 15] }]);
      rig.offer(0, readOf(8, 512));
      rig.offer(0, writeOf(15, pattern(512, 5)));
      assert.equal(disk.read(16, 512).status, ok, "others pass it");
      nothingComes(rig);
      assert.equal(rig.metrics.read().faults_stalled, 2);
      // Another rule for the same requests: now the write is seen anew, and fails.
      rig.command("faults", [
        { action: "error", op: "write" },
        { action: "stall", op: "read", sectors: [8, 15] },
      ]);
      rig.run(() => rig.collect(0).length === 1);
      assert.equal(answer(rig.completed[0].splice(0)[0]).status, ioError);
      nothingComes(rig);
      rig.command("faults", []);
      rig.run(() => rig.collect(0).length === 1);
      assert.deepEqual(answer(rig.completed[0][0]).data, was(8, 512));
      assert.deepEqual(Deno.readFileSync(path), pattern(SIZE, 1));
    });
  });

  Deno.test(`${layout.name}: a delay is kept, and the order of those that wait`, async () => {
    await withDisk((rig) => {
      rig.start(layout);
      rig.command("faults", [{ action: "delay", ms: 80, op: "read" }]);
      const began = performance.now();
      const first = rig.offer(0, readOf(0, 512));
      const second = rig.offer(0, readOf(8, 512));
      assert.equal(new TestDisk(rig).write(0, pattern(512, 1)), ok);
      assert(performance.now() - began < 79, "a write is not delayed");
      rig.run(() => rig.collect(0).length === 2);
      const took = performance.now() - began;
      assert(took >= 78 && took < 2000, `it took ${took} ms`);
      assert.deepEqual(rig.completed[0].map(({ token }) => token).toSorted(), [first, second]);
      assert.equal(rig.metrics.read().faults_delayed, 2);
    });
  });

  Deno.test(`${layout.name}: a write that is lied about isn't done where the rule's sectors are`, async () => {
    await withDisk((rig, path) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      rig.command("faults", [{ action: "lie", op: "write", sectors: [10, 11] }]);
      assert.equal(disk.write(8, pattern(8 * 512, 3)), ok);
      assert.equal(disk.write(10, pattern(512, 3)), ok);
      assert.equal(disk.write(11, pattern(4 * 512, 4)), ok);
      assert.equal(disk.writeZeroes({ sector: 9, sectors: 2 }), ok);
      assert.equal(disk.flush(), ok);
      const expected = pattern(SIZE, 1);
      expected.set(pattern(8 * 512, 3), 8 * 512);
      expected.set(pattern(4 * 512, 4), 11 * 512);
      expected.fill(0, 9 * 512, 11 * 512);
      expected.set(was(10, 1024), 10 * 512);
      assert.deepEqual(Deno.readFileSync(path), expected);
      const { writes, written_bytes, faults_lied } = rig.metrics.read();
      assert.deepEqual([writes, written_bytes, faults_lied], [3, 13 * 512, 4]);
      assert.equal(disk.write(SECTORS - 1, pattern(1024, 1)), ioError, "the end is the end");
    });
  });

  Deno.test(`${layout.name}: a read that is lied about gives zeros, a wrong bit, or nothing`, async () => {
    await withDisk((rig) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      const lie = (data: string, sectors?: number[]) =>
        rig.command("faults", [{ action: "lie", op: "read", data, sectors, seed: 3 }]);
      lie("zeros", [9, 10]);
      const zeros = { readable: [readOf(8, 0).readable![0]], writable: [700, 500, 848, 1] };
      assert.deepEqual(disk.request(zeros).data, was(8, 2048).fill(0, 512, 1536));
      lie("flipped", [10, 10]);
      const flipped = disk.read(8, 2048).data;
      const right = was(8, 2048);
      const wrong = [...flipped.keys()].filter((i) => flipped[i] !== right[i]);
      assert.equal(wrong.length, 1);
      assert(wrong[0] >= 1024 && wrong[0] < 1536);
      const bits = flipped[wrong[0]] ^ right[wrong[0]];
      assert.equal(bits & (bits - 1), 0, "one bit");
      lie("flipped", [10, 10]);
      assert.deepEqual(disk.read(8, 2048).data, flipped, "the same seed, the same bit");
      lie("stale", [8, 8]);
      // The driver's buffers hold a pattern of their own before.
      const stale = disk.read(8, 1024).data;
      assert.notDeepEqual(stale.slice(0, 512), was(8, 512));
      assert.deepEqual(stale.slice(512), was(9, 512));
      lie("zeros");
      assert.deepEqual(disk.read(0, 4096).data, new Uint8Array(4096));
      assert.equal(rig.metrics.read().faults_lied, 5);
    });
  });

  Deno.test(`${layout.name}: short and torn writes end where they are told to`, async () => {
    await withDisk((rig, path) => {
      rig.start(layout);
      const disk = new TestDisk(rig);
      rig.command("faults", [
        { action: "short", keep: 2, sectors: [0, 7] },
        { action: "torn", keep: 3, op: "write" },
      ]);
      assert.equal(disk.write(0, pattern(8 * 512, 6)), ioError);
      assert.equal(disk.write(16, pattern(8 * 512, 6)), ok);
      assert.equal(disk.writeZeroes({ sector: 32, sectors: 8 }), ok);
      assert.equal(disk.write(48, pattern(512, 6)), ok, "less than that is whole");
      assert.equal(disk.flush(), ok);
      const expected = pattern(SIZE, 1);
      expected.set(pattern(8 * 512, 6).slice(0, 2 * 512), 0);
      expected.set(pattern(8 * 512, 6).slice(0, 3 * 512), 16 * 512);
      expected.fill(0, 32 * 512, 35 * 512);
      expected.set(pattern(512, 6), 48 * 512);
      assert.deepEqual(Deno.readFileSync(path), expected);
      assert.equal(disk.read(0, 4096).status, ioError);
      assert.deepEqual(disk.read(16, 4096).data, expected.slice(16 * 512, 24 * 512));
    });
  });
});

Deno.test("a flush and a discard that are lied about are not done", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, SIZE);
    await Deno.writeFile(path, pattern(SIZE, 1));
    const recorder = new CallRecorder();
    const faults: BlockFault[] = [{ action: "lie" }];
    await using rig = DeviceRig.create(recorder.module, { path, faults });
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.flush(), ok);
    assert.equal(disk.discard({ sector: 0, sectors: 64 }, { sector: 128, sectors: 64 }), ok);
    assert.equal(disk.write(0, pattern(4096, 2)), ok);
    assert.deepEqual(recorder.calls, []);
    rig.command("faults", [{ action: "lie", op: "discard", sectors: [32, 39] }]);
    assert.equal(disk.discard({ sector: 0, sectors: 64 }), ok);
    const punched = recorder.calls.map(({ offset, length }) => [offset, length]);
    assert.deepEqual(punched, [[0, 16384], [20480, 12288]]);
  });
});

Deno.test("a failed flush by a fault is no loss that lasts", async () => {
  await withDisk((rig) => {
    rig.start();
    const disk = new TestDisk(rig);
    rig.command("faults", [{ action: "error", op: "flush" }]);
    assert.equal(disk.flush(), ioError);
    rig.command("faults", []);
    assert.equal(disk.flush(), ok);
  });
});

for (const [name, cache] of [["direct", "direct"], ["ordinary", "writeback"]] as const) {
  Deno.test(`on a ${name} disk of 4096-byte blocks, whole blocks are left out`, async () => {
    await withDisk((rig, path) => {
      rig.start();
      const disk = new TestDisk(rig);
      rig.command("faults", [{ action: "lie", op: "write", sectors: [13, 13] }]);
      assert.equal(disk.write(0, pattern(24 * 512, 2)), ok);
      const expected = pattern(SIZE, 1);
      expected.set(pattern(24 * 512, 2), 0);
      expected.set(was(8, 4096), 4096);
      assert.deepEqual(Deno.readFileSync(path), expected);
      rig.command("faults", [{ action: "torn", op: "write", keep: 9 }]);
      assert.equal(disk.write(0, pattern(24 * 512, 3)), ok);
      expected.set(pattern(24 * 512, 3).slice(0, 4096));
      assert.deepEqual(Deno.readFileSync(path), expected);
    }, { sector: 4096, cache });
  });
}

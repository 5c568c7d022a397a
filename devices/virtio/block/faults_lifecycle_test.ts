/**
 * Where a disk's faults come from, and what becomes of them and of the requests that they hold when it is paused, reset,
 * closed or saved.
 * @module
 */
import assert from "node:assert/strict";
import { DeviceRig } from "../testing/rig.ts";
import {
  answer,
  makeImage,
  pattern,
  readOf,
  TestDisk,
  withDirectory,
  writeOf,
} from "./block_test_rig.ts";
import { MOMENT_MS, nothingComes, SIZE, was, withDisk } from "./faults_test_rig.ts";
import { block } from "./mod.ts";
import { RequestStatus } from "./protocol.ts";

const { ok, ioError } = RequestStatus;

Deno.test("a pause has what stalls and waits be done, and the rules stay", async () => {
  await withDisk((rig) => {
    rig.start();
    const rules = [{ action: "stall", op: "read" }, { action: "delay", ms: 3_000_000 }];
    rig.command("faults", rules);
    rig.offer(0, readOf(8, 512));
    rig.offer(0, writeOf(0, pattern(512, 9)));
    rig.stop();
    const done = rig.collect(0).splice(0).map(answer);
    assert.deepEqual(done.map(({ status }) => status), [ok, ok]);
    rig.resume();
    rig.offer(0, readOf(0, 512));
    nothingComes(rig);
    rig.command("faults", []);
    rig.run(() => rig.collect(0).length === 1);
    assert.deepEqual(answer(rig.completed[0][0]).data, pattern(512, 9));
  });
});

Deno.test("a reset drops what stalls and waits: nothing of it is done", async () => {
  await withDisk((rig, path) => {
    rig.start();
    rig.command("faults", [{ action: "stall", sectors: [0, 0] }, { action: "delay", ms: 50 }]);
    rig.offer(0, writeOf(0, pattern(512, 9)));
    rig.offer(0, writeOf(8, pattern(512, 9)));
    rig.reset();
    rig.start();
    rig.command("faults", []);
    const end = performance.now() + MOMENT_MS;
    rig.run(() => performance.now() > end);
    assert.deepEqual(Deno.readFileSync(path), pattern(SIZE, 1));
    assert.deepEqual(new TestDisk(rig).read(0, 512).data, was(0, 512));
  });
});

Deno.test("a disk that is closed while requests stall gives them back", async () => {
  await withDisk((rig) => {
    rig.start();
    rig.command("faults", [{ action: "stall" }]);
    for (let i = 0; i < 20; i++) rig.offer(0, readOf(i * 8, 4096));
  });
});

Deno.test("more requests than a queue may have under way can stall, and all come back", async () => {
  await withDisk((rig) => {
    rig.start({ queueSizes: [256, 256] });
    rig.command("faults", [{ action: "stall" }]);
    let offered = 0;
    while (rig.driver.queue(0).free >= 3) {
      rig.driver.queue(0).offer(readOf(offered++, 512));
    }
    for (let i = 0; i < 50; i++) rig.driver.queue(1).offer(readOf(i, 512));
    rig.kick(0);
    rig.kick(1);
    nothingComes(rig);
    rig.command("faults", []);
    rig.run(() => rig.collect(0).length === offered && rig.collect(1).length === 50);
    for (const done of rig.completed.flat()) assert.equal(answer(done).status, ok);
  }, { queues: 2 });
});

Deno.test("what is saved has no faults and no requests in it; a restored disk begins with its own", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, SIZE);
    const rig = DeviceRig.create(block, path);
    rig.start();
    rig.command("faults", [{ action: "stall" }]);
    rig.offer(0, writeOf(0, pattern(512, 1)));
    const saved = rig.save();
    assert.deepEqual(saved.state, { version: 1, lostWrites: 0 });
    await rig[Symbol.asyncDispose]();
    const faults = [{ action: "error", op: "write" }];
    await using restored = DeviceRig.create(block, { path, faults }, { saved });
    restored.resume();
    const disk = new TestDisk(restored);
    assert.deepEqual(disk.read(0, 512).data, pattern(512, 1));
    assert.equal(disk.write(0, pattern(512, 1)), ioError);
  });
});

Deno.test("rules that make no sense are refused as a whole, each with the remedy", async () => {
  await withDisk((rig) => {
    rig.start();
    const refused = (rules: unknown, ...problems: RegExp[]) => {
      assert.throws(() => rig.command("faults", rules), (error: unknown) => {
        assert(error instanceof Error);
        const lines = error.message.split("\n");
        assert.equal(lines.length, problems.length, error.message);
        for (const [i, problem] of problems.entries()) assert.match(lines[i], problem);
        return true;
      });
    };
    refused({}, /^faults are a list of rules, empty for none; a rule is an object with any of act/);
    refused([{ op: "read" }, 7], /^rule 1: action: it is required/, /^rule 2: it is an object/);
    refused(
      [{ action: "errors", sector: [1, 2], rate: 2 }],
      /^rule 1: sector: there is no such property; did you mean sectors\?/,
      /^rule 1: action: it is one of error, full.*\(got "errors"\)/,
      /^rule 1: rate: it is a number from 0 \(never\) to 1 \(always\) \(got 2\)/,
    );
    refused([{ action: "delay" }], /^rule 1: ms: a delay needs it/);
    refused([{ action: "error", ms: 5 }], /ms: it is for delay, not for error/);
    refused([{ action: "torn" }], /keep: what is torn needs it/);
    refused([{ action: "error", sectors: [9, 8] }], /sectors: .*such as \[8, 15\] \(got \[9,8\]\)/);
    refused([{ action: "error", op: "flush", sectors: [1, 2] }], /a flush is about the whole disk/);
    refused([{ action: "full", op: "read" }], /only writes find a disk full/);
    refused([{ action: "lie", op: "write", data: "zeros" }], /data: a write gives none/);
    refused([{ action: "short", keep: 1, op: "discard" }], /a discard has no part/);
    refused([{ action: "error", count: 0 }], /count: it is a whole number from 1 to/);
    refused(new Array(65).fill({ action: "error" }), /there can be 64 rules, and these are 65/);
    assert.deepEqual(rig.command("faults"), []);
  });
});

Deno.test("a configuration's rules hold from the start; a command line has them as JSON", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, SIZE);
    const text = `${path},faults=[{"action":"error",,"op":"read",,"sectors":[4,,7]}]`;
    await using rig = DeviceRig.create(block, text);
    rig.start();
    const disk = new TestDisk(rig);
    assert.deepEqual([disk.read(5, 512).status, disk.read(3, 512).status], [ioError, ok]);
    assert.throws(
      () => DeviceRig.create(block, `${path},faults=[{"action"`),
      /faults: rules are a list as JSON.*each comma inside of it twice/,
    );
    assert.throws(
      () => DeviceRig.create(block, { path, faults: [{ action: "fail" }] }),
      /faults: rule 1: action: it is one of/,
    );
  });
});

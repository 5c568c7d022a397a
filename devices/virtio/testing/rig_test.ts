import assert from "node:assert/strict";
import { VirtqueueError } from "../queue/mod.ts";
import { forEachLayout } from "./driver.ts";
import { echo } from "./echo.ts";
import { DeviceRig } from "./rig.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

forEachLayout((layout) => {
  Deno.test(`a rig brings requests to a device and answers back, over ${layout.name}`, async () => {
    await using rig = DeviceRig.create(echo(), { delay: 1 });
    rig.start(layout);
    for (let i = 0; i < 40; i++) {
      const readable = [bytes(i, 1), bytes(2)];
      const done = rig.request(0, { readable, writable: [2, 8] });
      assert.deepEqual(done.bytes, bytes(i, 1, 2));
      assert.equal(done.writable.length, 10);
    }
    assert.deepEqual(rig.interrupts, [40]);
    assert.deepEqual(rig.metrics.read(), { echoed: 40 });
  });

  Deno.test(`a rig stops, resumes, saves and resets a device, over ${layout.name}`, async () => {
    await using rig = DeviceRig.create(echo(), "delay=0");
    rig.start(layout);
    for (let i = 0; i < 21; i++) rig.request(0, { readable: [bytes(i)], writable: [1] });
    rig.stop();
    const token = rig.offer(0, { readable: [bytes(7)], writable: [1] });
    rig.resume();
    assert.equal(rig.collect(0).pop()?.token, token);

    await using other = DeviceRig.create(echo(), "delay=0", { saved: rig.save() });
    other.resume();
    assert.deepEqual(
      other.request(0, { readable: [bytes(8)], writable: [1] }).bytes,
      bytes(8),
    );
    assert.equal(other.metrics.read()["echoed"], 23);
    other.reset();
    other.start(layout);
    assert.equal(other.request(0, { writable: [1] }).written, 0);
  });
});

Deno.test("a rig keeps what a device throws, and the device works again after a reset", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  rig.start();
  rig.offer(0, { readable: [bytes(0xee)] });
  assert.match(String(rig.failure), /nobody says 0xee/);
  assert.throws(() => rig.request(0, { readable: [bytes(1)] }), /the device failed.*0xee/);
  rig.reset();
  rig.start();
  rig.request(0, { readable: [bytes(1)] });
});

Deno.test("a rig keeps what a device's callback throws", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 1 });
  rig.start();
  rig.offer(0, { readable: [bytes(0xee)] });
  rig.run(() => rig.failure !== undefined);
  assert(rig.failure instanceof VirtqueueError);
});

Deno.test("a rig lets a driver write only to the writable part of the configuration", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  rig.writeConfig(0, bytes(5, 6, 7));
  assert.deepEqual([...rig.config.bytes], [5, 5, 0, 0]);
  assert.equal(rig.config.field(0, 2), 0x505);
  assert.equal(rig.config.changes, 1);
});

Deno.test("a rig passes commands on as JSON has them", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  assert.deepEqual(rig.command("resize", { size: 1 }), { name: "resize", argument: { size: 1 } });
});

Deno.test("a rig gives up on what doesn't come true", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  assert.throws(() => rig.run(() => false, 30), /within 30 ms/);
  await assert.rejects(rig.runAsync(() => false, 30), /within 30 ms/);
});

Deno.test("a rig fails the test of a device that stops and keeps a buffer", async () => {
  await using rig = DeviceRig.create(echo({ keepsBuffers: true }), { delay: 0 });
  rig.start();
  rig.offer(0, { writable: [1] });
  assert.throws(() => rig.stop(), /keeps buffers of queue 0/);
});

Deno.test("a rig fails the test of a device that stops without a flush", async () => {
  await using rig = DeviceRig.create(echo({ forgetsToFlush: true }), { delay: 0 });
  rig.start();
  rig.offer(0, { writable: [1] });
  assert.throws(() => rig.stop(), /has not flushed/);
});

Deno.test("a rig fails the test of a device that uses a queue after it has stopped", async () => {
  await using rig = DeviceRig.create(echo({ goesOnAfterStop: true }), { delay: 5 });
  rig.start();
  rig.stop();
  assert.throws(() => rig.run(() => false, 1000), /uses queue 0 after it has stopped/);
});

Deno.test("a rig that ends before anybody looked fails the test of a device that broke a promise", async () => {
  const rig = DeviceRig.create(echo({ goesOnAfterStop: true }), { delay: 1 });
  rig.start();
  rig.stop();
  rig.loop.turn(100);
  await assert.rejects(async () => await rig[Symbol.asyncDispose](), /uses queue 0/);
});

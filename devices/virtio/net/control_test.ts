/**
 * What a driver may ask for on the control queue, and what it gets.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { forEachLayout } from "../testing/driver.ts";
import type { DeviceRig } from "../testing/rig.ts";
import { bit } from "../features.ts";
import { CONFIG_STATUS } from "./config.ts";
import {
  VIRTIO_NET_CTRL_ANNOUNCE,
  VIRTIO_NET_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
} from "./control.ts";
import { FakeBackend, fakeCard } from "./testing/fake_backend.ts";
import { macBytes } from "./testing/packets.ts";
import { GUEST_MAC } from "./testing/taps.ts";
import {
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MQ,
} from "./features.ts";

const ALL = (1n << 64n) - 1n;

/** Gives one command to the card. @returns the answer */
function command(rig: DeviceRig, queue: number, ...bytes: number[]): number {
  const { written, bytes: answer } = rig.request(queue, {
    readable: [Uint8Array.from(bytes.slice(0, 2)), Uint8Array.from(bytes.slice(2))],
    writable: [1],
  });
  assert.equal(written, 1);
  return answer[0];
}

forEachLayout((layout) => {
  Deno.test(`a driver sets its address, over ${layout.name}`, async () => {
    await using rig = fakeCard(new FakeBackend(1));
    rig.start(layout);
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_MAC, 1, 2, 3, 4, 5, 6, 7), VIRTIO_NET_OK);
    assert.deepEqual(Array.from(rig.config.bytes.subarray(0, 6)), [2, 3, 4, 5, 6, 7]);
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_MAC, 1, 3, 3, 4, 5, 6, 7), VIRTIO_NET_ERR);
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_MAC, 1, 0, 0, 0, 0, 0, 0), VIRTIO_NET_ERR);
    assert.deepEqual(Array.from(rig.config.bytes.subarray(0, 6)), [2, 3, 4, 5, 6, 7]);
    rig.reset();
    assert.deepEqual(new Uint8Array(rig.config.bytes.subarray(0, 6)), macBytes(GUEST_MAC));
    const { control_commands, control_errors } = rig.metrics.read();
    assert.deepEqual([control_commands, control_errors], [3, 2]);
  });

  Deno.test(`a driver changes which packets it takes, over ${layout.name}`, async () => {
    const backend = new FakeBackend(1);
    await using rig = fakeCard(backend);
    rig.start({ ...layout, features: ALL & ~bit(VIRTIO_NET_F_GUEST_TSO4) });
    // CSUM, TSO6, TSO_ECN, USO4, USO6
    assert.equal(backend.offloads, 0x01 | 0x04 | 0x08 | 0x20 | 0x40);
    const csum = [1 << VIRTIO_NET_F_GUEST_CSUM, 0, 0, 0, 0, 0, 0, 0];
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, ...csum), VIRTIO_NET_OK);
    assert.equal(backend.offloads, 0x01);
    const refused = [[1 << VIRTIO_NET_F_GUEST_TSO4], [0, 0x80], [0, 0, 0, 0, 0, 0, 0, 0x80]];
    for (const bits of refused) {
      const padded = [...bits, ...new Array(8 - bits.length).fill(0)];
      assert.equal(command(rig, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, ...padded), VIRTIO_NET_ERR);
    }
    assert.equal(backend.offloads, 0x01);
    backend.refuses = true;
    const none = new Array(8).fill(0);
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, ...none), VIRTIO_NET_ERR);
    assert.match(rig.log[0], /EPERM/);
  });

  Deno.test(`a driver chooses how many pairs of queues it uses, over ${layout.name}`, async () => {
    const backend = new FakeBackend(3);
    await using rig = fakeCard(backend);
    rig.start(layout);
    assert.equal(backend.used, 1);
    for (const [pairs, answer] of [[3, VIRTIO_NET_OK], [0, VIRTIO_NET_ERR], [4, VIRTIO_NET_ERR]]) {
      assert.equal(command(rig, 6, VIRTIO_NET_CTRL_MQ, 0, pairs, 0), answer);
      assert.equal(backend.used, 3);
    }
    assert.equal(command(rig, 6, VIRTIO_NET_CTRL_MQ, 0, 1, 0x80), VIRTIO_NET_ERR);
    assert.equal(command(rig, 6, VIRTIO_NET_CTRL_MQ, 0, 2, 0), VIRTIO_NET_OK);
    assert.equal(backend.used, 2);
    rig.reset();
    assert.equal(backend.used, 1);
  });

  Deno.test(`the control queue is the third without several pairs, over ${layout.name}`, async () => {
    await using rig = fakeCard(new FakeBackend(3));
    rig.start({ ...layout, features: ALL & ~bit(VIRTIO_NET_F_MQ) });
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_MAC, 1, 2, 3, 4, 5, 6, 7), VIRTIO_NET_OK);
    assert.equal(command(rig, 2, VIRTIO_NET_CTRL_MQ, 0, 2, 0), VIRTIO_NET_ERR);
  });

  Deno.test(`what is no command is refused, over ${layout.name}`, async () => {
    await using rig = fakeCard(new FakeBackend(1));
    rig.start({ ...layout, features: ALL & ~bit(VIRTIO_NET_F_CTRL_MAC_ADDR) });
    const mac = [VIRTIO_NET_CTRL_MAC, 1, 2, 3, 4, 5, 6, 7];
    const commands = [mac, [], [1], [0, 0, 1], [9, 9], [255, 255, 255], [3, 0, 0], [5, 0, 0]];
    for (const bytes of commands) assert.equal(command(rig, 2, ...bytes), VIRTIO_NET_ERR);
    const huge = rig.request(2, { readable: [new Uint8Array(100_000)], writable: [1, 50] });
    assert.deepEqual(Array.from(huge.bytes), [VIRTIO_NET_ERR]);
    // Without room for an answer nothing happens, and the buffer comes back.
    assert.equal(rig.request(2, { readable: [Uint8Array.of(3, 0)] }).written, 0);
    assert.equal(rig.request(2, { writable: [0, 2] }).written, 1);
    assert.equal(rig.metrics.read().control_errors, commands.length + 3);
    assert.equal(rig.failure, undefined);
  });
});

Deno.test("many commands at once are carried out a few in each turn, and all of them", async () => {
  await using rig = fakeCard(new FakeBackend(1));
  rig.start();
  for (let i = 0; i < 20; i++) {
    rig.driver.queue(2).add({ readable: [Uint8Array.of(9, 9)], writable: [1] });
  }
  rig.driver.queue(2).publish();
  rig.kick(2);
  assert.equal(rig.collect(2).length, 8);
  rig.run(() => rig.collect(2).length === 20);
});

Deno.test("what the driver and the host have set outlives a save and restore, and the guest makes itself known", async () => {
  await using first = fakeCard(new FakeBackend(2));
  first.start();
  assert.equal(command(first, 4, VIRTIO_NET_CTRL_MAC, 1, 2, 3, 4, 5, 6, 7), VIRTIO_NET_OK);
  assert.equal(command(first, 4, VIRTIO_NET_CTRL_MQ, 0, 2, 0), VIRTIO_NET_OK);
  const offloads = [1 << VIRTIO_NET_F_GUEST_CSUM, 0, 0, 0, 0, 0, 0, 0];
  assert.equal(command(first, 4, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, ...offloads), VIRTIO_NET_OK);
  first.command("link", "down");
  const saved = first.save();

  const backend = new FakeBackend(2);
  await using second = fakeCard(backend, { ...saved, config: first.description.config });
  second.resume();
  assert.deepEqual(Array.from(second.config.bytes.subarray(0, 6)), [2, 3, 4, 5, 6, 7]);
  assert.deepEqual([backend.used, backend.offloads, backend.carrier], [2, 1, false]);
  // No link, and an announcement.
  assert.equal(second.config.bytes[CONFIG_STATUS], 2);
  assert.equal(command(second, 4, VIRTIO_NET_CTRL_ANNOUNCE, 0), VIRTIO_NET_OK);
  assert.equal(second.config.bytes[CONFIG_STATUS], 0);
  second.command("link", "up");
  assert.equal(second.config.bytes[CONFIG_STATUS], 1);
});

Deno.test("a saved state that doesn't fit is refused", async () => {
  await using rig = fakeCard(new FakeBackend(2));
  const state = rig.device.save?.();
  assert(state !== undefined);
  const wrong: Record<string, number | number[]>[] = [
    { version: 2 },
    { pairs: 3 },
    { pairs: 0 },
    { mac: [1, 2, 3, 4, 5, 6] },
    { mac: [2, 3] },
    { link: 2 },
    { offloadsLow: 2 ** 32 },
    { more: 1 },
  ];
  for (const change of wrong) {
    assert.throws(() => rig.device.restore?.({ ...state, ...change }), {
      name: "DeviceStateError",
    });
  }
  rig.device.restore?.(state);
});

Deno.test("commands with any bytes leave the card at work", async () => {
  await using rig = fakeCard(new FakeBackend(2));
  rig.start();
  const bytes = fc.array(fc.oneof(fc.nat(5), fc.nat(255)), { maxLength: 12 });
  fc.assert(fc.property(bytes, (bytes) => {
    const answer = command(rig, 4, ...bytes);
    assert(answer === VIRTIO_NET_OK || answer === VIRTIO_NET_ERR);
  }));
  assert.equal(rig.failure, undefined);
});

/**
 * What happens when one side can't take packets: no room, no buffers, no link, no host.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { CONFIG_STATUS } from "./config.ts";
import { net } from "./mod.ts";
import { FakeBackend, fakeCard } from "./testing/fake_backend.ts";
import { datagram, join, offerBuffers, packets, pattern, PLAIN_HEADER } from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, HostSocket, TestTap } from "./testing/taps.ts";

const ignore = !CAN_MAKE_TAPS;
/** Where the payload of a UDP datagram begins in a frame. */
const PAYLOAD = 14 + 20 + 8;

forEachLayout((layout) => {
  Deno.test(`packets wait in order while the host has no room, over ${layout.name}`, async () => {
    const backend = new FakeBackend(1);
    await using rig = fakeCard(backend);
    rig.start(layout);
    const [port] = backend.ports;
    port.block();
    const sent = Array.from({ length: 10 }, (_, i) => join(PLAIN_HEADER, pattern(100 + i, i)));
    for (const packet of sent) {
      rig.offer(1, { readable: [packet.subarray(0, 50), packet.subarray(50)] });
    }
    rig.run(() => rig.metrics.read().tx_blocked === 1);
    assert.deepEqual([port.packets, rig.collect(1).length], [0, 0]);
    // A pause in between loses nothing.
    rig.stop();
    rig.resume();
    rig.loop.turn(0);
    assert.deepEqual([port.packets, rig.collect(1).length], [0, 0]);
    assert.equal(port.take().length, 0);
    rig.run(() => rig.collect(1).length === sent.length);
    assert.deepEqual(port.take(), join(...sent));
    assert.equal(rig.metrics.read().tx_packets, sent.length);
  });

  Deno.test({
    name: `packets wait on the host's side while there are no buffers, over ${layout.name}`,
    ignore,
    async fn() {
      using tap = new TestTap();
      await using host = await HostSocket.bind(tap.hostIp);
      await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
      tap.awaitLink();
      rig.start(layout);
      for (let i = 0; i < 200; i++) await host.send(pattern(500, i), 7, tap.guestIp);
      const payloads: Uint8Array[] = [];
      // Three rounds, the last with more than is needed.
      for (const count of [50, 100, 100]) {
        offerBuffers(rig, count, 1526);
        const expected = Math.min(200, payloads.length + count);
        rig.run(() => {
          payloads.push(...packets(rig).map(({ frame }) => frame.subarray(PAYLOAD)));
          return payloads.length === expected;
        });
        rig.loop.turn(0);
        assert.equal(packets(rig).length, 0);
      }
      for (const [i, payload] of payloads.entries()) {
        assert.deepEqual(new Uint8Array(payload), pattern(500, i));
      }
      assert.equal(rig.metrics.read().rx_packets, 200);
    },
  });
});

Deno.test({
  name: "a card without a link neither sends nor receives, and both sides know",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using host = await HostSocket.bind(tap.hostIp);
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
    tap.awaitLink();
    rig.start();
    offerBuffers(rig, 10, 1526);
    assert.deepEqual([rig.config.bytes[CONFIG_STATUS], tap.carrier], [1, true]);

    assert.deepEqual(rig.command("link", "down"), { link: "down" });
    assert.deepEqual([rig.config.bytes[CONFIG_STATUS], tap.carrier], [0, false]);
    assert.equal(rig.config.changes, 1);
    const packet = join(PLAIN_HEADER, datagram(tap, { from: 7, to: host.port }, pattern(100)));
    rig.request(1, { readable: [packet] });
    const { tx_dropped, tx_packets } = rig.metrics.read();
    assert.deepEqual({ tx_dropped, tx_packets }, { tx_dropped: 1, tx_packets: 0 });

    assert.deepEqual(rig.command("link", "up"), { link: "up" });
    assert.deepEqual([rig.config.bytes[CONFIG_STATUS], tap.carrier], [1, true]);
    tap.awaitLink();
    rig.request(1, { readable: [packet] });
    await rig.runAsync(() => host.received.length === 1);
    await host.send(pattern(200), 7, tap.guestIp);
    await rig.runAsync(() => packets(rig).length === 1);
    rig.reset();
    rig.command("link", "down");
    rig.start();
    assert.equal(
      rig.config.bytes[CONFIG_STATUS],
      0,
      "the link is the host's, whatever the driver does",
    );
    assert.throws(() => rig.command("link", "sideways"), { name: "DeviceError" });
    assert.throws(() => rig.command("eject"), { name: "DeviceError" });
  },
});

Deno.test({
  name: "a tap that is deleted is a link that is down for good",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
    tap.awaitLink();
    rig.start();
    offerBuffers(rig, 10, 1526);
    tap[Symbol.dispose]();
    rig.run(() => rig.config.bytes[CONFIG_STATUS] === 0);
    assert.match(rig.log.join(), new RegExp(`tap "${tap.name}" is gone \\(\\w+\\)`));
    rig.request(1, { readable: [new Uint8Array(100)] });
    assert.equal(rig.metrics.read().tx_dropped, 1);
    assert.throws(() => rig.command("link", "up"), /is gone/);
    // The driver can still be reset, and come again.
    rig.reset();
    rig.start();
    assert.equal(rig.failure, undefined);
    // Nothing is polled, and nothing spins.
    const began = performance.now();
    rig.loop.turn(50);
    assert(performance.now() - began > 40);
  },
});

Deno.test({
  name: "sending finds that a tap was deleted, too",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
    rig.start();
    tap[Symbol.dispose]();
    for (let i = 0; i < 3; i++) rig.driver.queue(1).add({ readable: [new Uint8Array(100)] });
    rig.driver.queue(1).publish();
    rig.kick(1);
    rig.run(() => rig.config.bytes[CONFIG_STATUS] === 0);
    assert.equal(rig.collect(1).length, 3);
    assert.equal(rig.log.length, 1);
  },
});

Deno.test("a host's end that hangs up is a link that is down for good", async () => {
  const backend = new FakeBackend(1);
  await using rig = fakeCard(backend);
  rig.start();
  offerBuffers(rig, 10, 1526);
  backend.ports[0].end();
  rig.run(() => rig.config.bytes[CONFIG_STATUS] === 0);
  assert.match(rig.log[0], /it has ended/);
});

Deno.test({
  name: "an interface that is down refuses packets, and takes them when it is up",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using host = await HostSocket.bind(tap.hostIp);
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
    rig.start();
    const packet = join(PLAIN_HEADER, datagram(tap, { from: 7, to: host.port }, pattern(100)));
    tap.set("down");
    rig.request(1, { readable: [packet] });
    rig.command("link", "down");
    rig.command("link", "up");
    assert.equal(rig.metrics.read().tx_errors, 1);
    tap.set("up");
    rig.request(1, { readable: [packet] });
    await rig.runAsync(() => host.received.length === 1);
  },
});

Deno.test({
  name: "packets beyond the MTU that was agreed on don't reach the guest",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using host = await HostSocket.bind(tap.hostIp);
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC, mtu: 1000 });
    tap.awaitLink();
    assert.equal(rig.config.field(10, 2), 1000);
    rig.start();
    offerBuffers(rig, 10, 1526);
    await host.send(pattern(1300), 7, tap.guestIp);
    await host.send(pattern(900), 7, tap.guestIp);
    const lengths: number[] = [];
    await rig.runAsync(() => {
      lengths.push(...packets(rig).map(({ frame }) => frame.length));
      return lengths.length > 0;
    });
    assert.deepEqual(lengths, [PAYLOAD + 900]);
    assert.equal(rig.metrics.read().rx_dropped, 1);
  },
});

for (
  const [what, buffer] of [["no part to be read", {
    readable: [new Uint8Array(4)],
    writable: [2000],
  }], ["room for a header", { writable: [5, 6] }]] as const
) {
  Deno.test(`a receive buffer has ${what}, or the device stops`, async () => {
    const backend = new FakeBackend(1);
    await using rig = fakeCard(backend);
    rig.start();
    rig.offer(0, buffer);
    assert.match(String(rig.failure), /VirtqueueError: a receive buffer has/);
    rig.reset();
    rig.start();
    rig.request(1, { readable: [join(PLAIN_HEADER, pattern(100))] });
  });
}

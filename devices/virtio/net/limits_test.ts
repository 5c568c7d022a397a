/**
 * How fast a card goes under limits.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { net } from "./mod.ts";
import { FakeBackend, fakeCard } from "./testing/fake_backend.ts";
import { join, offerBuffers, packets, pattern, PLAIN_HEADER } from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, HostSocket, TestTap } from "./testing/taps.ts";

const ignore = !CAN_MAKE_TAPS;
/** How far a measured rate may be from the limit. */
const TOLERANCE = 0.05;
/** The bytes of each frame. */
const FRAME = 1000;
const HEADERS = 14 + 20 + 8;
/** So long is measured, and so far apart are two moments that are compared, in milliseconds. */
const MEASURE_MS = 700;
const APART_MS = 350;

/**
 * Packets in a second, measured at the moments at which the card parks: then it has used up what it may, even if this
 * process had to pause, unless for longer than the burst lasts. The median of many pairs of moments is not moved by a pause in the middle of one.
 *
 * @param direction of the counter that tells when the card parks
 * @param move moves what it can. @returns how many packets came
 */
function measureRate(rig: DeviceRig<unknown>, direction: "rx" | "tx", move: () => number): number {
  const parked = () => rig.metrics.read()[`${direction}_throttled`];
  const moments: { time: number; count: number }[] = [];
  let [count, before] = [0, parked()];
  rig.run(() => {
    count += move();
    const now = parked();
    if (now !== before) moments.push({ time: performance.now(), count });
    before = now;
    const last = moments.at(-1)?.time ?? 0;
    return moments.length >= 20 && last - moments[0].time > MEASURE_MS;
  }, 20_000);
  const rates: number[] = [];
  for (const [i, a] of moments.entries()) {
    for (const b of moments.slice(i + 1)) {
      const time = b.time - a.time;
      if (time > APART_MS) rates.push((b.count - a.count) / time * 1000);
    }
  }
  return rates.sort((a, b) => a - b)[rates.length >> 1];
}

function assertRate(rate: number, limit: number): void {
  assert(
    Math.abs(rate - limit) <= limit * TOLERANCE,
    `${rate} a second, and the limit is ${limit}`,
  );
}

/** Keeps the transmit queue full. @returns how many packets were sent since the last call */
function send(rig: DeviceRig, backend: FakeBackend): number {
  const queue = rig.driver.queue(1);
  const sent = rig.collect(1).splice(0).length;
  backend.ports[0].take();
  while (queue.free > 1) queue.offer({ readable: [join(PLAIN_HEADER, pattern(FRAME))] });
  rig.kickIfWanted(1);
  return sent;
}

forEachLayout((layout) => {
  Deno.test(`packets are sent as fast as the limits allow, over ${layout.name}`, async () => {
    const backend = new FakeBackend(1);
    await using rig = fakeCard(backend, undefined, { "tx-iops": 1000, "tx-iops-burst": 1000 });
    rig.start(layout);
    assertRate(measureRate(rig, "tx", () => send(rig, backend)), 1000);
  });
});

Deno.test("limits can be set, changed and removed while packets are sent", async () => {
  const backend = new FakeBackend(1);
  await using rig = fakeCard(backend);
  rig.start();
  for (let sent = 0; sent < 500;) rig.run(() => (sent += send(rig, backend)) >= 500);
  assert.equal(rig.metrics.read().tx_throttled, 0);

  const limits = { "tx-bandwidth": 500_000, "tx-bandwidth-burst": 500_000, "tx-iops": "100K" };
  const shown = rig.command("limits", limits) as Record<string, unknown>;
  assert.equal(shown["tx-bandwidth"], 500_000);
  assert.equal(shown["tx-iops"], 102_400);
  assert.equal(shown["rx-iops"], null);
  assertRate(measureRate(rig, "tx", () => send(rig, backend)), 500_000 / FRAME);
  rig.command("limits", { "tx-bandwidth": 1_000_000 });
  assertRate(measureRate(rig, "tx", () => send(rig, backend)), 1_000_000 / FRAME);

  rig.command("limits", { "tx-bandwidth": 1 });
  rig.run(() => send(rig, backend) === 0);
  const waiting = rig.driver.queue(1).outstanding;
  assert(waiting > 0);
  // Parked for a quarter of an hour, and set free at once.
  rig.command("limits", { "tx-bandwidth": null, "tx-iops": null });
  rig.run(() => rig.collect(1).length >= waiting);

  assert.throws(() => rig.command("limits", { "tx-bandwith": 1 }), { name: "OptionsError" });
  assert.throws(() => rig.command("limits", { "rx-iops-burst": 1 }), { name: "OptionsError" });
});

Deno.test({
  name: "packets are received as fast as the limits allow, and those that wait are not lost",
  ignore,
  async fn() {
    using tap = new TestTap();
    await using host = await HostSocket.bind(tap.hostIp);
    const limits = { "rx-bandwidth": 300 * FRAME, "rx-bandwidth-burst": 150 * FRAME };
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC, ...limits });
    tap.awaitLink();
    rig.start();
    // As many as the tap holds.
    for (let i = 0; i < 900; i++) await host.send(pattern(FRAME - HEADERS, i), 7, tap.guestIp);
    let received = 0;
    const receive = () => {
      const got = packets(rig).length;
      received += got;
      const free = rig.driver.queue(0).free;
      if (free > 0) offerBuffers(rig, free, 1526);
      return got;
    };
    assertRate(measureRate(rig, "rx", receive), 300);
    rig.command("limits", { "rx-bandwidth": null, "rx-iops": 400, "rx-iops-burst": 200 });
    assertRate(measureRate(rig, "rx", receive), 400);
    rig.command("limits", { "rx-iops": null });
    rig.run(() => (receive(), received === 900));
  },
});

/**
 * What a card's cable does to packets under each of its faults, on real taps.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { net, type NetFault } from "./mod.ts";
import { FakeBackend, fakeCard } from "./testing/fake_backend.ts";
import { datagram, join, offerBuffers, packets, pattern, PLAIN_HEADER } from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, HostSocket, TestTap } from "./testing/taps.ts";

const ignore = !CAN_MAKE_TAPS;
/** Where the payload of a UDP datagram begins in a frame. */
const PAYLOAD = 14 + 20 + 8;
const BURST = 60;
const MOMENT_MS = 80;

/** A card with its host. */
interface Rig {
  readonly rig: DeviceRig<unknown>;
  readonly tap: TestTap;
  readonly host: HostSocket;
}

async function withCard(
  run: (rig: Rig) => Promise<void>,
  start: Parameters<DeviceRig["start"]>[0] = {},
  faults?: readonly NetFault[],
): Promise<void> {
  using tap = new TestTap();
  await using host = await HostSocket.bind(tap.hostIp);
  await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC, faults });
  tap.awaitLink();
  rig.start(start);
  offerBuffers(rig, 100, 1526);
  await run({ rig, tap, host });
}

/** Sends numbered datagrams to the guest. @returns the numbers in the order in which they came within a moment */
async function toGuest({ rig, tap, host }: Rig, count = BURST, ms = MOMENT_MS): Promise<number[]> {
  for (let i = 0; i < count; i++) await host.send(pattern(100, i), 7, tap.guestIp);
  const end = performance.now() + ms;
  await rig.runAsync(() => performance.now() > end);
  const got = packets(rig).map(({ frame }) => frame[PAYLOAD]);
  const free = rig.driver.queue(0).free;
  if (free > 0) offerBuffers(rig, free, 1526);
  return got;
}

/** The same in the other direction; all buffers of the guest have come back. */
async function toHost({ rig, tap, host }: Rig, count = BURST, ms = MOMENT_MS): Promise<number[]> {
  host.received.length = 0;
  rig.collect(1).length = 0;
  for (let i = 0; i < count; i++) {
    const frame = datagram(tap, { from: 7, to: host.port }, pattern(100, i));
    rig.offer(1, { readable: [PLAIN_HEADER, frame] });
  }
  const end = performance.now() + ms;
  await rig.runAsync(() => performance.now() > end && rig.collect(1).length === count);
  return host.received.map((bytes) => bytes[0]);
}

const all = (count = BURST) => Array.from({ length: count }, (_, i) => i);

forEachLayout((layout) => {
  for (const [direction, send] of [["rx", toGuest], ["tx", toHost]] as const) {
    const other = direction === "rx" ? toHost : toGuest;
    Deno.test({
      name: `packets are dropped, at a rate and all (${direction}), over ${layout.name}`,
      ignore,
      fn: () =>
        withCard(async (card) => {
          const { rig } = card;
          rig.command("faults", [{ direction, drop: 0.5, seed: 5 }]);
          const first = await send(card);
          assert(first.length > 15 && first.length < 45, `${first.length} of ${BURST} arrived`);
          assert.deepEqual(first, first.toSorted((a, b) => a - b));
          assert.deepEqual(await other(card), all(), "the other direction is as good as ever");
          const { faults_dropped } = rig.metrics.read();
          assert.equal(faults_dropped, BURST - first.length);
          rig.command("faults", [{ direction, drop: 0.5, seed: 5 }]);
          assert.deepEqual(await send(card), first, "the same seed, the same packets");
          rig.command("faults", [{ direction, down: true, after: 3, count: 4 }]);
          assert.deepEqual(await send(card, 10), [0, 1, 2, 7, 8, 9]);
          const shown = rig.command("faults") as { seen: number; hits: number }[];
          assert.deepEqual([shown[0].seen, shown[0].hits], [10, 4]);
          rig.command("faults", []);
          assert.deepEqual(await send(card), all());
        }, layout),
    });

    Deno.test({
      name: `packets are late, come twice, change places (${direction}), over ${layout.name}`,
      ignore,
      fn: () =>
        withCard(async (card) => {
          const { rig } = card;
          rig.command("faults", [{ direction, delay: 500 }]);
          assert.deepEqual(await send(card, 10), [], "nothing has come yet");
          assert.deepEqual(await send(card, 0, 800), all(10));
          rig.command("faults", [{ direction, reorder: 1, count: 1 }]);
          assert.deepEqual(await send(card, 4), [1, 0, 2, 3]);
          rig.command("faults", [{ direction, duplicate: 1, after: 1, count: 1 }]);
          assert.deepEqual(await send(card, 3), [0, 1, 1, 2]);
          rig.command("faults", [{ direction, delay: 20, jitter: 20, seed: 3 }]);
          const jittered = await send(card, 30, 200);
          assert.deepEqual(jittered.toSorted((a, b) => a - b), all(30));
          assert.notDeepEqual(jittered, all(30));
          const { faults_delayed, faults_reordered, faults_duplicated } = rig.metrics.read();
          assert.deepEqual([faults_reordered, faults_duplicated], [1, 1]);
          assert(faults_delayed >= 38, `${faults_delayed}`);
        }, layout),
    });
  }
});

Deno.test({
  name: "a packet comes with one wrong bit in it, and nobody vouches for its checksum",
  ignore,
  fn: () =>
    withCard(async (card) => {
      const { rig } = card;
      assert.deepEqual(await toGuest(card, 20), all(20), "as it is without faults");
      for (let i = 0; i < 20; i++) await card.host.send(pattern(100, i), 7, card.tap.guestIp);
      await rig.runAsync(() => rig.collect(0).length === 20);
      const right = packets(rig).map(({ frame }) => frame.toHex());
      offerBuffers(rig, 20, 1526);
      rig.command("faults", [{ direction: "rx", corrupt: 1, seed: 2 }]);
      for (let i = 0; i < 20; i++) await card.host.send(pattern(100, i), 7, card.tap.guestIp);
      await rig.runAsync(() => rig.collect(0).length === 20);
      const wrong = packets(rig);
      for (const [i, { frame, flags }] of wrong.entries()) {
        assert.equal(flags, 0, "its checksum is in it, and nobody vouches for it");
        assert.notEqual(frame.toHex(), right[i]);
      }
      assert.equal(rig.metrics.read().faults_corrupted, 20);
    }),
});

Deno.test({
  name: "what is on its way stays so over a pause, is lost at a reset, and arrives when faults end",
  ignore,
  fn: () =>
    withCard(
      async (card) => {
        const { rig, host } = card;
        rig.command("faults", [{ delay: 3_000_000 }]);
        assert.deepEqual(await toGuest(card, 5), []);
        assert.deepEqual(await toHost(card, 5), []);
        rig.stop();
        rig.resume();
        assert.deepEqual(await toHost(card, 1), []);
        rig.command("faults", []);
        await rig.runAsync(() => host.received.length === 6 && rig.collect(0).length === 5);
        packets(rig);

        rig.command("faults", [{ delay: 3_000_000 }]);
        await toGuest(card, 5);
        await toHost(card, 5);
        rig.reset();
        rig.start();
        offerBuffers(rig, 50, 1526);
        rig.command("faults", []);
        assert.deepEqual(await toGuest(card, 3), [0, 1, 2]);
        assert.deepEqual(await toHost(card, 3), [0, 1, 2]);
      },
      {},
      [{ direction: "tx", duplicate: 0.5 }],
    ),
});

Deno.test("delayed packets wait for a host that has no room, in order, and none is lost", async () => {
  const backend = new FakeBackend(1);
  await using rig = fakeCard(backend);
  rig.start();
  rig.command("faults", [{ delay: 5 }]);
  const [port] = backend.ports;
  port.block();
  const sent = Array.from({ length: 20 }, (_, i) => join(PLAIN_HEADER, pattern(100 + i, i)));
  for (const packet of sent) rig.offer(1, { readable: [packet] });
  rig.run(() => rig.collect(1).length === sent.length);
  const end = performance.now() + MOMENT_MS;
  rig.run(() => performance.now() > end);
  assert.equal(port.packets, 0);
  port.take();
  rig.run(() => port.packets === sent.length);
  assert.deepEqual(port.take(), join(...sent));
});

Deno.test("rules that make no sense are refused, each with the remedy", async () => {
  await using rig = fakeCard(new FakeBackend(1));
  const refused = (rule: unknown, problem: RegExp) =>
    assert.throws(() => rig.command("faults", [rule]), problem);
  refused({}, /rule 1: it does nothing; give any of down, drop/);
  refused({ drop: 1.5 }, /drop: it is a number from 0 \(never\) to 1 \(always\) \(got 1.5\)/);
  refused({ delay: 5, jitter: 6 }, /jitter: it is at most the delay/);
  refused({ direction: "in", drop: 1 }, /direction: it is one of rx, tx, both/);
  refused({ delays: 5 }, /delays: there is no such property; did you mean delay\?/);
  refused({ delay: -1 }, /delay: it is a number of milliseconds from 0/);
  assert.deepEqual(rig.command("faults"), []);
});

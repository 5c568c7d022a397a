/**
 * Several pairs of queues on a tap that has as many.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { bit } from "../features.ts";
import { VIRTIO_NET_F_MQ } from "./features.ts";
import { net } from "./mod.ts";
import { datagram, join, offerBuffers, packets, pattern, PLAIN_HEADER } from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, HostSocket, TestTap } from "./testing/taps.ts";

const ignore = !CAN_MAKE_TAPS;
const PAIRS = 3;
const FLOWS = 40;

function usePairs(rig: DeviceRig<unknown>, pairs: number): void {
  const command = { readable: [Uint8Array.of(4, 0, pairs, 0)], writable: [1] };
  assert.deepEqual(Array.from(rig.request(2 * PAIRS, command).bytes), [0]);
}

/** Sends datagrams of many flows to the guest. @returns how many came to each queue */
async function spread(rig: DeviceRig<unknown>, host: HostSocket, guest: string): Promise<number[]> {
  for (let flow = 0; flow < FLOWS; flow++) await host.send(pattern(100), 100 + flow, guest);
  const counts = new Array<number>(PAIRS).fill(0);
  rig.run(() => {
    for (let pair = 0; pair < PAIRS; pair++) counts[pair] += packets(rig, 2 * pair).length;
    return counts.reduce((sum, count) => sum + count, 0) === FLOWS;
  });
  return counts;
}

forEachLayout((layout) => {
  Deno.test({
    name: `packets come to as many queues as the driver uses, over ${layout.name}`,
    ignore,
    async fn() {
      using tap = new TestTap({ multiQueue: true });
      await using host = await HostSocket.bind(tap.hostIp);
      await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC, queues: PAIRS });
      assert.equal(rig.description.queueSizes.length, 2 * PAIRS + 1);
      assert.equal(rig.config.field(8, 2), PAIRS);
      tap.awaitLink();
      rig.start(layout);
      for (let pair = 0; pair < PAIRS; pair++) offerBuffers(rig, 120, 1526, 2 * pair);
      assert.deepEqual(await spread(rig, host, tap.guestIp), [FLOWS, 0, 0]);

      // A queue that isn't in use sends nothing.
      const packet = join(PLAIN_HEADER, datagram(tap, { from: 7, to: host.port }, pattern(100)));
      rig.request(5, { readable: [packet] });
      assert.equal(rig.metrics.read().tx_dropped, 1);

      usePairs(rig, PAIRS);
      const counts = await spread(rig, host, tap.guestIp);
      assert(counts.every((count) => count > 0), `every queue has its flows: ${counts}`);
      rig.request(5, { readable: [packet] });
      await rig.runAsync(() => host.received.length === 1);

      usePairs(rig, 1);
      assert.deepEqual(await spread(rig, host, tap.guestIp), [FLOWS, 0, 0]);
    },
  });
});

Deno.test({
  name: "a driver without several pairs has all packets in the first",
  ignore,
  async fn() {
    using tap = new TestTap({ multiQueue: true });
    await using host = await HostSocket.bind(tap.hostIp);
    await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC, queues: PAIRS });
    tap.awaitLink();
    const features = (1n << 64n) - 1n & ~bit(VIRTIO_NET_F_MQ);
    rig.start({ features, queueSizes: [256, 256, 64, 0, 0, 0, 0] });
    offerBuffers(rig, 60, 1526);
    for (let flow = 0; flow < FLOWS; flow++) await host.send(pattern(100), 100 + flow, tap.guestIp);
    let count = 0;
    rig.run(() => (count += packets(rig).length) === FLOWS);
  },
});

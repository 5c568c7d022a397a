import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { net } from "./mod.ts";
import {
  be16,
  datagram,
  ipBytes,
  join,
  macBytes,
  offerBuffers,
  packets,
  pattern,
  PLAIN_HEADER,
  type Received,
} from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, HostSocket, TestTap } from "./testing/taps.ts";

const ignore = !CAN_MAKE_TAPS;
/** Where the payload of a UDP datagram begins in a frame. */
const PAYLOAD = 14 + 20 + 8;

forEachLayout((layout) => {
  Deno.test({
    name: `datagrams go to the host and come from it, over ${layout.name}`,
    ignore,
    async fn() {
      using tap = new TestTap();
      tap.forgetGuest();
      await using host = await HostSocket.bind(tap.hostIp);
      await using rig = DeviceRig.create(net, { tap: tap.name, mac: GUEST_MAC });
      rig.start(layout);
      offerBuffers(rig, 20, 1526);

      const hello = pattern(1000);
      const sent = join(PLAIN_HEADER, datagram(tap, { from: 7, to: host.port }, hello));
      // The header and the frame in pieces that don't fit together.
      rig.request(1, { readable: [sent.subarray(0, 5), sent.subarray(5, 60), sent.subarray(60)] });
      await rig.runAsync(() => host.received.length > 0);
      assert.deepEqual(new Uint8Array(host.received[0]), hello);

      await host.send(pattern(600, 3), 7, tap.guestIp);
      const got: Received[] = [];
      await rig.runAsync(() => {
        for (const packet of packets(rig)) {
          if (packet.frame[12] === 8 && packet.frame[13] === 6) answerArp(rig, tap, packet.frame);
          else got.push(packet);
        }
        return got.length > 0;
      });
      assert.deepEqual(new Uint8Array(got[0].frame.subarray(PAYLOAD)), pattern(600, 3));
      assert.equal(got[0].numBuffers, 1);
      const { rx_packets, tx_packets, tx_bytes } = rig.metrics.read();
      assert.equal(tx_packets, 2);
      assert.equal(tx_bytes, sent.length - 12 + 42);
      assert(rx_packets >= 2);
    },
  });
});

/** The guest says which address it has (RFC 826). */
function answerArp(rig: DeviceRig<unknown>, tap: TestTap, request: Uint8Array): void {
  const guest = macBytes(GUEST_MAC);
  const [hostMac, hostIp] = [request.subarray(22, 28), request.subarray(28, 32)];
  assert.deepEqual(new Uint8Array(request.subarray(38, 42)), ipBytes(tap.guestIp));
  const reply = join(
    hostMac,
    guest,
    be16(0x0806),
    Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 2),
    guest,
    ipBytes(tap.guestIp),
    hostMac,
    hostIp,
  );
  rig.request(1, { readable: [join(PLAIN_HEADER, reply)] });
}

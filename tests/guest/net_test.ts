/**
 * Network cards of stock kernels, over taps of the host.
 * @module
 */
import assert from "node:assert/strict";
import { CAN_MAKE_TAPS, GUEST_MAC, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { guestTest } from "./boot.ts";
import {
  ethtoolFiles,
  patiently,
  Peer,
  peer,
  peerFile,
  speed,
  tell,
  type Transfer,
  transfer,
  transferBytes,
} from "./peer.ts";
import { PeerGuest } from "./peer_guest.ts";

const MTU = 3000;
/** Of the card without offloads. */
const PLAIN_MAC = "52:54:00:12:34:57";
const PORT = 5000;
/** What fits a run of all tests where the host's KVM is emulated itself; a GiB takes minutes there. */
const MEBIBYTES = 64;
/** For a GiB on a busy host. */
const TRANSFER_SECONDS = 400;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", false], ["mmio", true]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`a network card carries data on ${transport} with ${layout} queues`, async (t) => {
    using tap = new TestTap({ multiQueue: true, mtu: MTU });
    using plainTap = new TestTap();
    plainTap.forgetGuest();
    await using guest = await PeerGuest.start({
      transport,
      cpus: 2,
      nets: [
        { tap: tap.name, mac: GUEST_MAC, mtu: MTU, queues: 2, packed },
        { tap: plainTap.name, mac: PLAIN_MAC, offload: false, packed },
      ],
      drivers: ["virtio_net"],
      files: [await peerFile(), ...await ethtoolFiles()],
    });
    const card = await interfaceOf(guest, GUEST_MAC);
    const device = guest.machine.devices.get("net0")!;
    await guest.run(`ip addr add ${tap.guestIp}/30 dev ${card} && ip link set ${card} up`);
    tap.awaitLink();
    await guest.run(`(peer serve tcp:0.0.0.0:${PORT} > /tmp/serve 2>&1 &) ; sleep 1`);
    await using _server = await Peer.start("listening", "serve", `tcp:${tap.hostIp}:${PORT}`);
    const [toGuest, toHost] = [`tcp:${tap.guestIp}:${PORT}`, `tcp:${tap.hostIp}:${PORT}`];

    await t.step(
      "the guest sees its address, its MTU, its link and both pairs of queues",
      async () => {
        const folder = `/sys/class/net/${card}`;
        const seen = await guest.run(`cd ${folder}; cat mtu carrier; ls queues | sort | xargs`);
        assert.equal(seen, `${MTU}\n1\nrx-0 rx-1 tx-0 tx-1`);
      },
    );

    await t.step(
      "the guest's driver uses offloads where they are offered, and there only",
      async () => {
        const features = await guest.run(`ethtool -k ${card}`);
        for (const name of ["rx-checksumming", "tx-checksumming", "tcp-segmentation-offload"]) {
          assert.match(features, new RegExp(`^${name}: on`, "m"));
        }
        const plain = await guest.run(`ethtool -k ${await interfaceOf(guest, PLAIN_MAC)}`);
        for (const name of ["tx-checksumming", "tcp-segmentation-offload"]) {
          assert.match(plain, new RegExp(`^${name}: off`, "m"));
        }
      },
    );

    await t.step("data from the guest arrives whole, in segments larger than the MTU", async () => {
      const before = device.metrics;
      const bytes = transferBytes(MEBIBYTES);
      const done = transfer(await guest.run(`peer send ${toHost} ${bytes} 1`, TRANSFER_SECONDS));
      assert.equal(done.bytes, bytes);
      const after = device.metrics;
      const frame = (after.tx_bytes - before.tx_bytes) / (after.tx_packets - before.tx_packets);
      show("guest to host", transport, done, frame);
      assert(frame > 2 * MTU, `frames of ${frame} bytes on average`);
      assert.equal(after.tx_malformed + after.tx_errors, 0);
    });

    await t.step("data to the guest arrives whole, in segments larger than the MTU", async () => {
      const before = device.metrics;
      const bytes = transferBytes(MEBIBYTES);
      const done = transfer(await peer("send", toGuest, `${bytes}`, "2"));
      assert.equal(done.bytes, bytes);
      const after = device.metrics;
      const frame = (after.rx_bytes - before.rx_bytes) / (after.rx_packets - before.rx_packets);
      show("host to guest", transport, done, frame);
      assert(frame > 2 * MTU, `frames of ${frame} bytes on average`);
    });

    await t.step("both pairs of queues carry packets, in both directions at once", async () => {
      const bytes = 4 << 20;
      await guest.run(`for i in 1 2 3 4; do
        for cpu in 1 2; do taskset $cpu peer duplex ${toHost} ${bytes} $i || touch /tmp/failed & done;
        wait; done; [ ! -e /tmp/failed ]`.replaceAll(/\n\s*/g, " "));
      const counts = await guest.run(`ethtool -S ${card}`);
      for (const queue of ["rx_queue_0", "rx_queue_1", "tx_queue_0", "tx_queue_1"]) {
        const packets = Number(new RegExp(`${queue}_packets: (\\d+)`).exec(counts)?.[1]);
        assert(packets > 10, `${queue}: ${packets} packets\n${counts}`);
      }
    });

    await t.step("a card without offloads carries packets that fit its MTU", async () => {
      const name = await interfaceOf(guest, PLAIN_MAC);
      await guest.run(`ip addr add ${plainTap.guestIp}/30 dev ${name} && ip link set ${name} up`);
      plainTap.awaitLink();
      const bytes = 1 << 20;
      transfer(await peer("send", `tcp:${plainTap.guestIp}:${PORT}`, `${bytes}`, "3"));
      const { rx_bytes, rx_packets } = guest.machine.devices.get("net1")!.metrics;
      assert(rx_bytes > bytes && rx_bytes / rx_packets <= 1514, `${rx_packets} packets`);
    });

    await t.step("the guest sees its link go and come, and its data goes on", async () => {
      const carrier = (value: number) =>
        patiently(`grep -q ${value} /sys/class/net/${card}/carrier`);
      assert.deepEqual(await device.command("link", "down"), { link: "down" });
      await guest.run(carrier(0));
      assert.equal(tap.carrier, false);
      assert.deepEqual(await device.command("link", "up"), { link: "up" });
      await guest.run(carrier(1));
      tap.awaitLink();
      transfer(await guest.run(`peer send ${toHost} 1048576 4`));
    });
    assert.deepEqual(guest.log, []);
  }, CAN_MAKE_TAPS);
}

/** The guest's name for the card with this address. */
async function interfaceOf(guest: PeerGuest, mac: string): Promise<string> {
  const path = await guest.run(`grep -l ${mac} /sys/class/net/*/address`);
  return path.split("/")[4];
}

function show(direction: string, transport: string, done: Transfer, frame: number): void {
  tell(`${direction} by ${transport}: ${speed(done)}, ${Math.round(frame)} bytes a frame`);
}

/**
 * Network cards of stock kernels, over taps of the host.
 * @module
 */
import assert from "node:assert/strict";
import { CAN_MAKE_TAPS, GUEST_MAC, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { Machine } from "../../mod.ts";
import type { Guest } from "../../src/guest/agent/mod.ts";
import { guestTest } from "./boot.ts";
import { copyPeer, peerIn, startPeerIn } from "./guest_peer.ts";
import {
  ethtoolFiles,
  Peer,
  peer,
  speed,
  tell,
  type Transfer,
  transfer,
  transferBytes,
  until,
} from "./peer.ts";
import { deviceLog, LINUX, sh } from "./shell.ts";

const MTU = 3000;
/** Of the card without offloads. */
const PLAIN_MAC = "52:54:00:12:34:57";
const PORT = 5000;
/** What fits a run of all tests where the host's KVM is emulated itself; a GiB takes minutes there. */
const MEBIBYTES = 64;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", false], ["mmio", true]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`a network card carries data on ${transport} with ${layout} queues`, async (t) => {
    using tap = new TestTap({ multiQueue: true, mtu: MTU });
    using plainTap = new TestTap();
    plainTap.forgetGuest();
    await using vm = await Machine.start({
      ...LINUX,
      rootfs: { busybox: true, files: await ethtoolFiles() },
      transport,
      cpus: 2,
      nets: [
        { tap: tap.name, mac: GUEST_MAC, mtu: MTU, queues: 2, packed },
        { tap: plainTap.name, mac: PLAIN_MAC, offload: false, packed },
      ],
    });
    const { guest } = vm;
    const log = deviceLog(vm);
    await copyPeer(guest);
    const card = await interfaceOf(guest, GUEST_MAC);
    const device = vm.devices.get("net0")!;
    await sh(guest, `ip addr add ${tap.guestIp}/30 dev ${card} && ip link set ${card} up`);
    tap.awaitLink();
    await startPeerIn(guest, "listening", "serve", `tcp:0.0.0.0:${PORT}`);
    await using _server = await Peer.start("listening", "serve", `tcp:${tap.hostIp}:${PORT}`);
    const [toGuest, toHost] = [`tcp:${tap.guestIp}:${PORT}`, `tcp:${tap.hostIp}:${PORT}`];

    await t.step(
      "the guest sees its address, its MTU, its link and both pairs of queues",
      async () => {
        const folder = `/sys/class/net/${card}`;
        const seen = await sh(guest, `cd ${folder}; cat mtu carrier; ls queues | sort | xargs`);
        assert.equal(seen, `${MTU}\n1\nrx-0 rx-1 tx-0 tx-1`);
      },
    );

    await t.step(
      "the guest's driver uses offloads where they are offered, and there only",
      async () => {
        const features = await sh(guest, `ethtool -k ${card}`);
        for (const name of ["rx-checksumming", "tx-checksumming", "tcp-segmentation-offload"]) {
          assert.match(features, new RegExp(`^${name}: on`, "m"));
        }
        const plain = await sh(guest, `ethtool -k ${await interfaceOf(guest, PLAIN_MAC)}`);
        for (const name of ["tx-checksumming", "tcp-segmentation-offload"]) {
          assert.match(plain, new RegExp(`^${name}: off`, "m"));
        }
      },
    );

    await t.step("data from the guest arrives whole, in segments larger than the MTU", async () => {
      const before = device.metrics;
      const bytes = transferBytes(MEBIBYTES);
      const done = transfer(await peerIn(guest, "send", toHost, `${bytes}`, "1"));
      assert.equal(done.bytes, bytes);
      const after = device.metrics;
      const frame = (after.tx_bytes - before.tx_bytes) / (after.tx_packets - before.tx_packets);
      show("guest to host", transport, done, frame);
      assert(frame > MTU, `frames of ${frame} bytes on average`);
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
      assert(frame > MTU, `frames of ${frame} bytes on average`);
    });

    await t.step("both pairs of queues carry packets, in both directions at once", async () => {
      const bytes = 4 << 20;
      for (const seed of [1, 2, 3, 4]) {
        const duplex = `peer duplex ${toHost} ${bytes} ${seed}`;
        await Promise.all([1, 2].map((cpu) => sh(guest, `taskset ${cpu} ${duplex}`)));
      }
      const counts = await sh(guest, `ethtool -S ${card}`);
      for (const queue of ["rx_queue_0", "rx_queue_1", "tx_queue_0", "tx_queue_1"]) {
        const packets = Number(new RegExp(`${queue}_packets: (\\d+)`).exec(counts)?.[1]);
        assert(packets > 10, `${queue}: ${packets} packets\n${counts}`);
      }
    });

    await t.step("a card without offloads carries packets that fit its MTU", async () => {
      const name = await interfaceOf(guest, PLAIN_MAC);
      await sh(guest, `ip addr add ${plainTap.guestIp}/30 dev ${name} && ip link set ${name} up`);
      plainTap.awaitLink();
      const bytes = 1 << 20;
      transfer(await peer("send", `tcp:${plainTap.guestIp}:${PORT}`, `${bytes}`, "3"));
      const { rx_bytes, rx_packets } = vm.devices.get("net1")!.metrics;
      assert(rx_bytes > bytes && rx_bytes / rx_packets <= 1514, `${rx_packets} packets`);
    });

    await t.step("the guest sees its link go and come, and its data goes on", async () => {
      const path = `/sys/class/net/${card}/carrier`;
      const seen = (value: number) =>
        until(path, async () => await guest.readTextFile(path) === `${value}\n`);
      assert.deepEqual(await device.command("link", "down"), { link: "down" });
      await seen(0);
      assert.equal(tap.carrier, false);
      assert.deepEqual(await device.command("link", "up"), { link: "up" });
      await seen(1);
      tap.awaitLink();
      transfer(await peerIn(guest, "send", toHost, "1048576", "4"));
    });
    assert.deepEqual(log, []);
  }, CAN_MAKE_TAPS);
}

/** The guest's name for the card with this address. */
async function interfaceOf(guest: Guest, mac: string): Promise<string> {
  const path = await sh(guest, `grep -l ${mac} /sys/class/net/*/address`);
  return path.split("/")[4];
}

function show(direction: string, transport: string, done: Transfer, frame: number): void {
  tell(`${direction} by ${transport}: ${speed(done)}, ${Math.round(frame)} bytes a frame`);
}

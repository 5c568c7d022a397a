/**
 * What stock kernels do about a disk, a network and a source of entropy that fail.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CAN_MAKE_TAPS, GUEST_MAC, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { emptyImage, mkfsFiles } from "./block_images.ts";
import { guestTest } from "./boot.ts";
import { PeerGuest } from "./peer_guest.ts";

const MIB = 1 << 20;
const SIZE = 64 * MIB;
/** For what is told to wait: a guest that hasn't gone on by then is waiting. */
const WAIT_MS = 3000;
/** For what is to happen, on a busy host. */
const PATIENCE_MS = 60_000;

/** What ping says came back, of how many. */
function received(text: string): { sent: number; back: number } {
  const match = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text);
  assert(match !== null, text);
  return { sent: Number(match[1]), back: Number(match[2]) };
}

async function stalledDisk(guest: PeerGuest): Promise<void> {
  const disk = guest.machine.devices.get("disk0")!;
  await disk.command("faults", [{ action: "stall", op: "read", sectors: [1000, 1999] }]);
  await guest.run(
    "rm -f /tmp/done; (dd if=/dev/vda of=/dev/null bs=512 skip=1500 count=1 " +
      "iflag=direct 2>/dev/null; echo $? > /tmp/done) & sleep 0.1",
  );
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  const { status, text } = await guest.try("cat /tmp/done");
  assert.equal(status, 1, `the read is waiting: ${text}; ${JSON.stringify(disk.metrics)}`);
  await guest.run("dd if=/dev/vda of=/dev/null bs=512 count=1 iflag=direct");
  await disk.command("faults", []);
  await guest.run("timeout 30 sh -c 'until [ -s /tmp/done ]; do sleep 0.1; done'");
  assert.equal(await guest.run("tail -n 1 /tmp/done"), "0");
}

async function badDisk(guest: PeerGuest): Promise<void> {
  const disk = guest.machine.devices.get("disk0")!;
  const read = (sector: number) =>
    guest.try(`dd if=/dev/vda of=/dev/null bs=512 skip=${sector} count=1 iflag=direct`);
  const bad = 100_000;
  await disk.command("faults", [{ action: "error", sectors: [bad, bad] }]);
  assert.match((await read(bad)).text, /(I\/O|Input\/output) error/);
  assert.equal((await read(bad + 8)).status, 0);
  assert.match(await guest.run("dmesg | grep 'I/O error'"), new RegExp(`vda, sector ${bad} `));
  await disk.command("faults", []);
  assert.equal((await read(bad)).status, 0);

  await guest.run("mkfs.ext4 -q -E lazy_itable_init=0 /dev/vda");
  await guest.run("mkdir -p /mnt; mount -o errors=remount-ro /dev/vda /mnt");
  await guest.run("echo before > /mnt/file; sync");
  assert.match(await guest.run("grep /mnt /proc/mounts"), / rw,/);
  // The journal can't be written, and so nothing can. What /proc/mounts says of that depends on the kernel: later ones
  // leave the mount's flags alone, and refuse writes all the same.
  await disk.command("faults", [{ action: "error", op: "write" }]);
  const deadline = performance.now() + PATIENCE_MS;
  let refused = "";
  while (!/Read-only file system/.test(refused)) {
    assert(performance.now() < deadline, `the file system is still written to: ${refused}`);
    refused = (await guest.try("echo after > /mnt/other; sync")).text;
  }
  assert.match(await guest.run("dmesg | grep EXT4-fs"), /Remounting filesystem read-only/);
  await disk.command("faults", []);
  assert.equal(await guest.run("cat /mnt/file"), "before");
  await guest.run("umount /mnt");
  assert(disk.metrics.faults_failed > 0);
}

async function dryEntropy(guest: PeerGuest): Promise<void> {
  const rng = guest.machine.devices.get("rng")!;
  await rng.command("faults", [{ action: "dry" }]);
  // What the driver has at hand already is soon read.
  await guest.run(
    "rm -f /tmp/bytes; (dd if=/dev/hwrng of=/tmp/bytes bs=64 count=64 " +
      "iflag=fullblock 2>/dev/null; touch /tmp/dry) & sleep 0.1",
  );
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  assert.equal((await guest.try("test -e /tmp/dry")).status, 1, "the reader is waiting");
  await rng.command("faults", []);
  await guest.run("timeout 30 sh -c 'until [ -e /tmp/dry ]; do sleep 0.1; done'");
  assert.equal(await guest.run("wc -c < /tmp/bytes"), "4096");

  await rng.command("faults", [{ action: "constant", byte: 65 }]);
  await guest.run("dd if=/dev/hwrng bs=64 count=16 iflag=fullblock of=/dev/null 2>/dev/null");
  const same = "dd if=/dev/hwrng bs=64 count=1 iflag=fullblock 2>/dev/null | tr -d A | wc -c";
  assert.equal(await guest.run(same), "0");
  await rng.command("faults", []);
}

async function lossyNetwork(guest: PeerGuest, tap: TestTap): Promise<void> {
  const net = guest.machine.devices.get("net0")!;
  const path = await guest.run(`grep -l ${GUEST_MAC} /sys/class/net/*/address`);
  const card = path.split("/")[4];
  await guest.run(`ip addr add ${tap.guestIp}/30 dev ${card} && ip link set ${card} up`);
  tap.awaitLink();
  const ping = async (count: number) =>
    received((await guest.try(`ping -q -W 1 -c ${count} ${tap.hostIp}`)).text);
  assert.deepEqual(await ping(5), { sent: 5, back: 5 });
  await net.command("faults", [{ direction: "tx", drop: 0.5, seed: 4 }]);
  const { back } = await ping(12);
  assert(back >= 1 && back <= 11, `${back} of 12 came back`);
  await net.command("faults", [{ down: true }]);
  assert.deepEqual(await ping(3), { sent: 3, back: 0 });
  await net.command("faults", [{ delay: 200 }]);
  const slow = await guest.run(`ping -c 3 ${tap.hostIp}`);
  // There and back.
  for (const [, time] of slow.matchAll(/time=([\d.]+) ms/g)) assert(Number(time) >= 399, slow);
  assert.deepEqual(received(slow), { sent: 3, back: 3 });
  await net.command("faults", []);
  assert.deepEqual(await ping(5), { sent: 5, back: 5 });
}

for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(
    `a guest does what is right about devices that fail, on ${transport} with ${layout} queues`,
    async (t) => {
      const folder = await Deno.makeTempDir({ prefix: "denovisor-faults-" });
      try {
        using tap = new TestTap();
        await using guest = await PeerGuest.start({
          transport,
          disks: [{ path: await emptyImage(join(folder, "disk.img"), SIZE), packed }],
          nets: [{ tap: tap.name, mac: GUEST_MAC, packed }],
          rng: { packed },
          drivers: ["virtio_blk", "virtio_net", "virtio_rng"],
          files: await mkfsFiles(),
        });
        // What the kernel has to say about all this would stand between what the commands print.
        await guest.run("dmesg -n 1");
        const steps: readonly [string, () => Promise<void>][] = [
          [
            "a read that stalls waits, and goes on when the fault is switched off",
            () => stalledDisk(guest),
          ],
          [
            "a bad sector is an I/O error, a bad disk a file system that can't be written",
            () => badDisk(guest),
          ],
          ["a reader of /dev/hwrng waits while the source is dry", () => dryEntropy(guest)],
          ["a lossy network loses pings, a slow one delays them", () => lossyNetwork(guest, tap)],
        ];
        for (const [name, step] of steps) await t.step(name, step);
        const wrong = "dmesg | grep -E 'BUG|WARNING|Call Trace|needs reset'";
        assert.deepEqual(await guest.try(wrong), { status: 1, text: "" });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
    CAN_MAKE_TAPS,
  );
}

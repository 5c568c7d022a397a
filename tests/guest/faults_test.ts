/**
 * What stock kernels do about a disk, a network and a source of entropy that fail.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CAN_MAKE_TAPS, GUEST_MAC, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { Machine } from "../../mod.ts";
import { emptyImage, mkfsFiles } from "./block_images.ts";
import { guestTest } from "./boot.ts";
import { COMPLAINTS, LINUX, sh, trySh } from "./shell.ts";

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

/** Nothing, once what waits has had its time. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, WAIT_MS));
}

/** A command that reads a sector past the guest's cache. */
function readSector(sector: number): string {
  return `dd if=/dev/vda of=/dev/null bs=512 skip=${sector} count=1 iflag=direct`;
}

async function stalledDisk({ guest, devices }: Machine): Promise<void> {
  const disk = devices.get("disk0")!;
  await disk.command("faults", [{ action: "stall", op: "read", sectors: [1000, 1999] }]);
  const read = trySh(guest, readSector(1500));
  assert.equal(
    await Promise.race([read, pause()]),
    undefined,
    `the read is waiting: ${JSON.stringify(disk.metrics)}`,
  );
  await sh(guest, readSector(0));
  await disk.command("faults", []);
  const { code, text } = await read;
  assert.equal(code, 0, text);
}

async function badDisk({ guest, devices }: Machine): Promise<void> {
  const disk = devices.get("disk0")!;
  const read = (sector: number) => trySh(guest, readSector(sector));
  const bad = 100_000;
  await disk.command("faults", [{ action: "error", sectors: [bad, bad] }]);
  assert.match((await read(bad)).text, /(I\/O|Input\/output) error/);
  assert.equal((await read(bad + 8)).code, 0);
  assert.match(await sh(guest, "dmesg | grep 'I/O error'"), new RegExp(`vda, sector ${bad} `));
  await disk.command("faults", []);
  assert.equal((await read(bad)).code, 0);

  await sh(guest, "mkfs.ext4 -q -E lazy_itable_init=0 /dev/vda");
  await sh(guest, "mkdir -p /mnt; mount -o errors=remount-ro /dev/vda /mnt");
  await sh(guest, "echo before > /mnt/file; sync");
  assert.match(await sh(guest, "grep /mnt /proc/mounts"), / rw,/);
  // The journal can't be written, and so nothing can. What /proc/mounts says of that depends on the kernel: later ones
  // leave the mount's flags alone, and refuse writes all the same.
  await disk.command("faults", [{ action: "error", op: "write" }]);
  const deadline = performance.now() + PATIENCE_MS;
  let refused = "";
  while (!/Read-only file system/.test(refused)) {
    assert(performance.now() < deadline, `the file system is still written to: ${refused}`);
    refused = (await trySh(guest, "echo after > /mnt/other; sync")).text;
  }
  assert.match(await sh(guest, "dmesg | grep EXT4-fs"), /Remounting filesystem read-only/);
  await disk.command("faults", []);
  assert.equal(await sh(guest, "cat /mnt/file"), "before");
  await sh(guest, "umount /mnt");
  assert(disk.metrics.faults_failed > 0);
}

async function dryEntropy({ guest, devices }: Machine): Promise<void> {
  const rng = devices.get("rng")!;
  await rng.command("faults", [{ action: "dry" }]);
  const random = (length: number) => guest.readFile("/dev/hwrng", { length, timeout: PATIENCE_MS });
  // What the driver has at hand already is soon read.
  const read = random(4096);
  assert.equal(await Promise.race([read, pause()]), undefined, "the reader is waiting");
  await rng.command("faults", []);
  assert.equal((await read).length, 4096);

  await rng.command("faults", [{ action: "constant", byte: 65 }]);
  await random(1024);
  assert.deepEqual(await random(64), new Uint8Array(64).fill(65));
  await rng.command("faults", []);
}

async function lossyNetwork({ guest, devices }: Machine, tap: TestTap): Promise<void> {
  const net = devices.get("net0")!;
  const path = await sh(guest, `grep -l ${GUEST_MAC} /sys/class/net/*/address`);
  const card = path.split("/")[4];
  await sh(guest, `ip addr add ${tap.guestIp}/30 dev ${card} && ip link set ${card} up`);
  tap.awaitLink();
  const ping = async (count: number) =>
    received((await trySh(guest, `ping -q -W 1 -c ${count} ${tap.hostIp}`)).text);
  assert.deepEqual(await ping(5), { sent: 5, back: 5 });
  await net.command("faults", [{ direction: "tx", drop: 0.5, seed: 4 }]);
  const { back } = await ping(12);
  assert(back >= 1 && back <= 11, `${back} of 12 came back`);
  await net.command("faults", [{ down: true }]);
  assert.deepEqual(await ping(3), { sent: 3, back: 0 });
  await net.command("faults", [{ delay: 200 }]);
  const slow = await sh(guest, `ping -c 3 ${tap.hostIp}`);
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
        await using vm = await Machine.start({
          ...LINUX,
          rootfs: { busybox: true, files: await mkfsFiles() },
          transport,
          disks: [{ path: await emptyImage(join(folder, "disk.img"), SIZE), packed }],
          nets: [{ tap: tap.name, mac: GUEST_MAC, packed }],
          rng: { packed },
        });
        const steps: readonly [string, () => Promise<void>][] = [
          [
            "a read that stalls waits, and goes on when the fault is switched off",
            () => stalledDisk(vm),
          ],
          [
            "a bad sector is an I/O error, a bad disk a file system that can't be written",
            () => badDisk(vm),
          ],
          ["a reader of /dev/hwrng waits while the source is dry", () => dryEntropy(vm)],
          ["a lossy network loses pings, a slow one delays them", () => lossyNetwork(vm, tap)],
        ];
        for (const [name, step] of steps) await t.step(name, step);
        assert.deepEqual(await trySh(vm.guest, COMPLAINTS), { code: 1, text: "" });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
    CAN_MAKE_TAPS,
  );
}

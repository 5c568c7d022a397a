/**
 * Disks of stock kernels, on both transports and with both layouts of virtqueues.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "../../src/rootfs/command.ts";
import {
  allocated,
  digestOf,
  emptyImage,
  filesOf,
  knowsDirect,
  mkfsFiles,
} from "./block_images.ts";
import { REBIND_SCRIPTS } from "./block_rebind.ts";
import { guestTest } from "./boot.ts";
import { until } from "./peer.ts";
import { PeerGuest } from "./peer_guest.ts";

const MIB = 1 << 20;
const FILES_SIZE = 256 * MIB;
const RAW_SIZE = 64 * MIB;
const FIXED_SIZE = 8 * MIB;
/** How much a guest writes at once; it is in its memory before. */
const DATA_SIZE = 8 * MIB;
/** The host's file system that is full. */
const TIGHT_SIZE = 2 * MIB;
const ROUNDS = 10;
/** How long a rate is measured. */
const MEASURED_MS = 5000;
/** A mode that has each write past the host's cache, or as good as that where the temporary folder can't. */
const CACHE = await knowsDirect() ? "direct" : "writethrough";

/** The disks of one guest. */
interface Rig {
  readonly guest: PeerGuest;
  readonly folder: string;
  readonly images: Images;
}

/** Their images; the disks' serials are the names. */
interface Images {
  readonly files: string;
  readonly raw: string;
  readonly fixed: string;
  readonly full: string;
  readonly cut: string;
}

async function makeImages(folder: string): Promise<Images> {
  const image = (name: string, bytes: number) => emptyImage(join(folder, name), bytes);
  const fixed = join(folder, "fixed.img");
  await Deno.writeFile(fixed, new Uint8Array(FIXED_SIZE).fill(0x5a));
  return {
    files: await image("files.img", FILES_SIZE),
    raw: await image("raw.img", RAW_SIZE),
    fixed,
    full: await image("tight/full.img", FIXED_SIZE),
    cut: await image("cut.img", FIXED_SIZE),
  };
}

/** A folder with a file system in it that is soon full. */
async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "denovisor-disks-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const tight = join(folder, "tight");
  await Deno.mkdir(tight);
  await run(["mount", "-t", "tmpfs", "-o", `size=${TIGHT_SIZE}`, "tmpfs", tight]);
  stack.defer(async () => void await run(["umount", tight]));
  await fn(folder);
}

/** The guest's SHA-256 of files, one after another. */
async function digests(guest: PeerGuest, ...paths: string[]): Promise<string[]> {
  const text = await guest.run(`sha256sum ${paths.join(" ")}`);
  return text.split("\n").map((line) => line.split(" ")[0]);
}

async function properties({ guest, images }: Rig): Promise<void> {
  const facts = "for d in files raw fixed; do n=/sys/block/$(disk $d); echo $d $(cat " +
    "$n/serial) $(cat $n/size $n/ro $n/queue/logical_block_size); done";
  assert.deepEqual((await guest.run(facts)).split("\n"), [
    `files files ${FILES_SIZE / 512} 0 512`,
    `raw raw ${RAW_SIZE / 512} 0 4096`,
    `fixed fixed ${FIXED_SIZE / 512} 1 512`,
  ]);
  const write = "dd if=/dev/zero of=/dev/$(disk fixed) bs=4k count=1 oflag=direct";
  assert.notEqual((await guest.try(write)).status, 0, "it can't be written to");
  const [sum] = await digests(guest, "/dev/$(disk fixed)");
  assert.equal(await digestOf(images.fixed, 0, FIXED_SIZE), sum);
  assert((await Deno.readFile(images.fixed)).every((byte) => byte === 0x5a));
}

/** Raw writes of several sizes, through the guest's cache and past it. */
async function rawData({ guest, images }: Rig): Promise<void> {
  await guest.run(`head -c ${DATA_SIZE} /dev/urandom > /tmp/data`);
  const [sum] = await digests(guest, "/tmp/data");
  const ways = [[MIB, "oflag=direct"], [4096, "conv=fsync"], [3 * 4096, "oflag=direct"]] as const;
  for (const [index, [size, way]] of ways.entries()) {
    const block = Math.ceil(index * 16 * MIB / size);
    await guest.run(`dd if=/tmp/data of=/dev/$(disk raw) bs=${size} seek=${block} ${way}`);
    assert.equal(await digestOf(images.raw, block * size, DATA_SIZE), sum, `${size} ${way}`);
    await guest.run("echo 3 > /proc/sys/vm/drop_caches");
    const count = Math.ceil(DATA_SIZE / size);
    const back = `dd if=/dev/$(disk raw) bs=${size} skip=${block} count=${count} 2>/dev/null`;
    const [read] = (await guest.run(`${back} | head -c ${DATA_SIZE} | sha256sum`)).split(" ");
    assert.equal(read, sum, `${size} read back`);
  }
}

/** A file system that the guest makes, and files that it syncs. */
async function files({ guest, images, folder }: Rig): Promise<void> {
  const { metrics } = guest.machine.devices.get("disk0")!;
  const zeroes = metrics.write_zeroes;
  await guest.run("mkfs.ext4 -q -E lazy_itable_init=0 /dev/$(disk files)");
  await guest.run("mkdir -p /mnt; mount /dev/$(disk files) /mnt");
  await guest.run(
    "cp /tmp/data /mnt/large; i=0; mkdir /mnt/many; while [ $i -lt 100 ]; do " +
      "head -c 3000 /dev/urandom > /mnt/many/$i; i=$((i + 1)); done; " +
      "cat /mnt/many/* > /tmp/many; head -c 100 /tmp/many > /mnt/small; sync",
  );
  const names = ["large", "small", "many/7", "many/99"];
  const sums = await digests(guest, "/tmp/data", ...names.slice(1).map((name) => `/mnt/${name}`));
  await Deno.mkdir(join(folder, "many"));
  assert.deepEqual(await filesOf(images.files, names, folder), sums);
  const after = guest.machine.devices.get("disk0")!.metrics;
  assert(after.flushes > 0, "a sync flushes the disk");
  assert(after.write_zeroes > zeroes, "inode tables are zeroed by the device");
}

/** What a file system and a device no longer need, the host has back. */
async function discards({ guest, images }: Rig): Promise<void> {
  const before = await allocated(images.files);
  assert(before >= DATA_SIZE, `the image has ${before} bytes`);
  await guest.run("rm /mnt/large; sync; fstrim /mnt");
  const freed = before - await allocated(images.files);
  assert(freed >= DATA_SIZE, `${freed} bytes of ${DATA_SIZE} were freed`);
  await guest.run("umount /mnt");

  assert(await allocated(images.raw) >= 2 * DATA_SIZE);
  await guest.run("blkdiscard /dev/$(disk raw)");
  assert.equal(await allocated(images.raw), 0);
  const zero = "dd if=/dev/$(disk raw) bs=1M iflag=direct 2>/dev/null | tr -d '\\000' | wc -c";
  assert.equal(await guest.run(zero), "0");
  const { failed } = guest.machine.devices.get("disk0")!.metrics;
  assert.equal(failed, 0);
}

async function resize({ guest, images }: Rig): Promise<void> {
  const device = guest.machine.devices.get("disk1")!;
  const size = RAW_SIZE + 16 * MIB;
  assert.deepEqual(await device.command("resize", { size }), { size });
  const sectors = `[ $(cat /sys/block/$(disk raw)/size) = ${size / 512} ]`;
  await guest.run(`timeout 30 sh -c 'until ${sectors}; do sleep 0.1; done'`);
  const write = "dd if=/tmp/data of=/dev/$(disk raw) bs=1M oflag=direct";
  await guest.run(`${write} seek=${RAW_SIZE / MIB}`);
  const [sum] = await digests(guest, "/tmp/data");
  assert.equal(await digestOf(images.raw, RAW_SIZE, DATA_SIZE), sum);
}

/** A host that has no room, and a file that became short, are I/O errors of those disks and of nothing else. */
async function hostErrors({ guest, images }: Rig): Promise<void> {
  const onFull = "dd if=/tmp/data of=/dev/$(disk full) bs=64k count=96 oflag=direct";
  assert.match((await guest.try(onFull)).text, /error|No space/i);
  const onCut = "dd if=/dev/$(disk cut) of=/dev/null bs=64k iflag=direct";
  await guest.run(onCut);
  await Deno.truncate(images.cut, MIB);
  assert.match((await guest.try(onCut)).text, /I\/O error/);

  const first = `dd if=/dev/$(disk full) bs=64k count=8 iflag=direct 2>/dev/null | sha256sum`;
  const whole = await guest.run("head -c 524288 /tmp/data | sha256sum");
  assert.equal(await guest.run(first), whole, "what was written before is there");
  const elsewhere = "dd if=/tmp/data of=/dev/$(disk raw) bs=1M oflag=direct";
  await guest.run(elsewhere);
  const [sum] = await digests(guest, "/tmp/data");
  assert.equal(await digestOf(images.raw, 0, DATA_SIZE), sum, "another disk is as good as ever");
  for (const [id, failed] of [["disk1", 0], ["disk3", 1], ["disk4", 1]] as const) {
    const { metrics } = guest.machine.devices.get(id)!;
    assert(failed === 0 ? metrics.failed === 0 : metrics.failed > 0, id);
  }
  assert.match(guest.log.join("\n"), /full\.img failed with ENOSPC[^]*cut\.img failed with EIO/);

  // The host has room again, and the file its length.
  await run(["mount", "-o", `remount,size=${2 * FIXED_SIZE}`, join(images.full, "..")]);
  await guest.run(onFull);
  await Deno.truncate(images.cut, FIXED_SIZE);
  await guest.run(onCut);
}

/** Rates are measured by the host's clock and the device's counters, while the guest wants more. */
async function limits({ guest }: Rig): Promise<void> {
  const device = guest.machine.devices.get("disk1")!;
  // Some always wait while others are on their way, so that the device is never the one that waits; and a slow host
  // can do as much.
  const read =
    "while dd if=/dev/$(disk raw) of=/dev/null bs=64k count=256 iflag=direct; do :; done";
  await guest.run(
    `for i in 1 2 3 4; do (${read}) > /dev/null 2>&1 & echo $!; done > /run/readers`,
  );
  const measure = async (counter: "read_bytes" | "reads") => {
    const [from, began] = [device.metrics[counter], performance.now()];
    await new Promise((resolve) => setTimeout(resolve, MEASURED_MS));
    return (device.metrics[counter] - from) / (performance.now() - began) * 1000;
  };
  // A burst of a second makes good for as long a standstill of a busy host.
  const limited = async (counter: "read_bytes" | "reads", rate: number, limits: unknown) => {
    await device.command("limits", limits);
    const { throttled } = device.metrics;
    await until("the burst is used up", () => device.metrics.throttled > throttled + 2);
    const measured = await measure(counter);
    assert(Math.abs(measured / rate - 1) < 0.05, `${measured} a second instead of ${rate}`);
  };
  await limited("read_bytes", MIB, { bandwidth: MIB, "bandwidth-burst": MIB });
  await limited("reads", 20, { bandwidth: null, iops: 20, "iops-burst": 20 });
  await device.command("limits", { iops: null });
  assert(await measure("reads") > 25, "without limits it is faster");
  await guest.run("kill $(cat /run/readers); while pidof dd; do sleep 0.05; done");
}

/**
 * The driver leaves its disks and comes back, while they are written to and read. What is written is what was there
 * before, so that at no time there may be anything else.
 */
async function rebind({ guest, images }: Rig): Promise<void> {
  const names = ["files", "raw"] as const;
  for (const name of names) {
    await guest.run(`dd if=/tmp/data of=/dev/$(disk ${name}) bs=1M oflag=direct`);
  }
  const all = async () => ({
    files: await digestOf(images.files, 0, FILES_SIZE),
    raw: await digestOf(images.raw, 0, RAW_SIZE),
    fixed: await digestOf(images.fixed, 0, FIXED_SIZE),
  });
  const before = await all();
  await guest.run(`head -c ${MIB} /tmp/data > /tmp/part`);
  const laps = `rm -f /run/laps.*; until [ -e /run/laps.files ] && [ -e /run/laps.raw ]; do ` +
    "sleep 0.05; done";
  for (const name of names) {
    await guest.run(`(setsid load ${name} /tmp/part > /dev/null 2>&1 &)`);
  }
  await guest.run(laps);
  await guest.run(`rebind ${ROUNDS}`);
  await guest.run(laps);
  for (const name of names) await guest.run(`kill -9 -$(cat /run/group.${name})`);
  await guest.run("while pidof dd; do sleep 0.05; done");
  assert.deepEqual(await all(), before);
  const [sum] = await digests(guest, "/dev/$(disk fixed)");
  assert.equal(sum, before.fixed);
}

for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(
    `disks keep what a guest does to them on ${transport} with ${layout} queues (cache=${CACHE})`,
    (t) =>
      withFolder(async (folder) => {
        const images = await makeImages(folder);
        await using guest = await PeerGuest.start({
          transport,
          cpus: 2,
          disks: [
            { path: images.files, serial: "files", packed },
            { path: images.raw, serial: "raw", sector: 4096, cache: CACHE, packed },
            { path: images.fixed, serial: "fixed", ro: true, packed },
            { path: images.full, serial: "full", packed },
            { path: images.cut, serial: "cut", packed },
          ],
          drivers: ["virtio_blk"],
          files: [...await mkfsFiles(), ...REBIND_SCRIPTS],
        });
        const rig: Rig = { guest, folder, images };
        const steps: readonly [string, (rig: Rig) => Promise<void>][] = [
          ["a guest sees what its disks are, and can't write to a read-only one", properties],
          ["what it writes to a disk is in the image, and comes back", rawData],
          ["what it syncs to a file system of its own is in the image", files],
          ["what it discards is the host's again", discards],
          ["a disk that grows while it is in use is larger at once", resize],
          ["a disk moves what its limits allow", limits],
          [`the driver comes back ${ROUNDS} times under load, and all data is right`, rebind],
        ];
        for (const [name, step] of steps) {
          // What comes after it builds on it.
          if (!await t.step(name, () => step(rig))) return;
        }
        assert.deepEqual(guest.log, []);
        await t.step("an error of the host's is one of that disk and of nothing else", () =>
          hostErrors(rig));
        const bad = "dmesg | grep -E 'BUG|WARNING|Call Trace|hung|needs reset'";
        assert.deepEqual(await guest.try(bad), { status: 1, text: "" });
      }),
    Deno.uid() === 0,
  );
}

import assert from "node:assert/strict";
import { seekData, seekHole } from "../../../src/ffi/mod.ts";
import { GuestRam } from "../../../src/memory/mod.ts";
import { bit } from "../features.ts";
import { forEachLayout } from "../testing/driver.ts";
import { fuzzDevice } from "../testing/fuzz.ts";
import { DeviceRig } from "../testing/rig.ts";
import { balloon } from "./mod.ts";
import { VIRTIO_BALLOON_F_STATS_VQ } from "./protocol.ts";

const MIB = 1 << 20;
const PAGE = 4096;
const [INFLATE, DEFLATE] = [0, 1];

/** Page numbers as a buffer for the device. */
function pages(...numbers: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}

/** Whether the host backs a guest page. */
function isBacked(ram: GuestRam, address: number): boolean {
  return seekData(ram.fds[0].raw, address, "guest memory") === address;
}

forEachLayout((layout) => {
  Deno.test(`${layout.name}: pages that are given up go back to the host, and read as zeros`, async () => {
    using ram = GuestRam.allocate([{ guestAddress: 0, size: 32 * MIB }]);
    await using rig = DeviceRig.create(balloon, {}, { memory: ram.memory });
    rig.start(layout);
    const first = 24 * MIB;
    for (let i = 0; i < 64; i++) ram.memory.writeU32(first + i * PAGE, 0xdead_beef);
    assert(isBacked(ram, first));
    const numbers = Array.from({ length: 62 }, (_, i) => first / PAGE + 1 + i);
    rig.request(INFLATE, { readable: [pages(...numbers)] });
    assert(isBacked(ram, first), "the page before is kept");
    assert.equal(seekHole(ram.fds[0].raw, first, "guest memory"), first + PAGE);
    assert(isBacked(ram, first + 63 * PAGE), "the page behind is kept");
    assert.equal(ram.memory.readU32(first + PAGE), 0);
    assert.equal(ram.memory.readU32(first), 0xdead_beef);
    assert.equal(rig.metrics.read().discarded, 62 * PAGE);
    rig.request(DEFLATE, { readable: [pages(...numbers)] });
    assert.equal(rig.metrics.read().deflations, 1);
  });

  Deno.test(`${layout.name}: pages of RAM that is of no descriptor go back, too`, async () => {
    using ram = GuestRam.allocate([{ guestAddress: 0, size: 32 * MIB }], "transparent");
    await using rig = DeviceRig.create(balloon, {}, { memory: ram.memory });
    rig.start(layout);
    const first = 24 * MIB;
    for (let i = 0; i < 64; i++) ram.memory.writeU32(first + i * PAGE, 0xdead_beef);
    rig.request(INFLATE, { readable: [pages(first / PAGE + 1, first / PAGE + 2)] });
    const words = [0, 1, 2, 3].map((i) => ram.memory.readU32(first + i * PAGE));
    assert.deepEqual(words, [0xdead_beef, 0, 0, 0xdead_beef]);
    assert.equal(rig.metrics.read().discarded, 2 * PAGE);
  });

  Deno.test(`${layout.name}: pages in any order are given back in runs`, async () => {
    using ram = GuestRam.allocate([{ guestAddress: 0, size: 32 * MIB }]);
    await using rig = DeviceRig.create(balloon, {}, { memory: ram.memory });
    rig.start(layout);
    const base = 28 * MIB / PAGE;
    ram.memory.fill(28 * MIB, 16 * PAGE, 1);
    rig.request(INFLATE, { readable: [pages(base + 3, base + 2, base + 1, base + 9, base + 9)] });
    assert(isBacked(ram, 28 * MIB));
    assert(!isBacked(ram, 28 * MIB + PAGE));
    assert(isBacked(ram, 28 * MIB + 4 * PAGE));
    assert(!isBacked(ram, 28 * MIB + 9 * PAGE));
    assert(isBacked(ram, 28 * MIB + 10 * PAGE));
  });

  Deno.test(`${layout.name}: free pages that are reported go back to the host`, async () => {
    using ram = GuestRam.allocate([{ guestAddress: 0, size: 32 * MIB }]);
    await using rig = DeviceRig.create(balloon, "free-page-reporting", { memory: ram.memory });
    rig.start(layout);
    rig.request(2, { writable: [4 * MIB] });
    const { discarded, reports } = rig.metrics.read();
    assert.equal(reports, 1);
    assert(discarded >= 4 * MIB - 2 * PAGE && discarded <= 4 * MIB, `${discarded} bytes`);
  });

  Deno.test(`${layout.name}: statistics are asked for again and again, and can be read`, async () => {
    await using rig = DeviceRig.create(balloon, "stats=1");
    rig.start(layout);
    const statistics = (free: bigint) => {
      const view = new DataView(new ArrayBuffer(30));
      for (const [i, [tag, value]] of ([[4, free], [5, 1n << 30n], [99, 1n]] as const).entries()) {
        view.setUint16(i * 10, tag, true);
        view.setBigUint64(i * 10 + 2, value, true);
      }
      return new Uint8Array(view.buffer);
    };
    rig.offer(2, { readable: [statistics(1000n)] });
    rig.run(() => rig.metrics.read().statistics === 1);
    assert.deepEqual(rig.command("stats"), {
      target: 0,
      actual: 0,
      freeMemory: 1000,
      totalMemory: 2 ** 30,
    });
    rig.run(() => rig.collect(2).length === 1, 3000);
    rig.offer(2, { readable: [statistics(2000n)] });
    rig.run(() => rig.metrics.read().statistics === 2);
    assert.equal((rig.command("stats") as Record<string, number>).freeMemory, 2000);
  });
});

Deno.test("without the statistics' feature the reporting queue has the next number", async () => {
  await using rig = DeviceRig.create(balloon, "stats=1,free-page-reporting");
  const features = rig.description.features & ~bit(VIRTIO_BALLOON_F_STATS_VQ);
  rig.start({ features, queueSizes: [128, 128, 128, 0] });
  rig.request(2, { writable: [64 * 1024] });
  assert.equal(rig.metrics.read().reports, 1);
});

Deno.test("the host sets how large the balloon is to be, and sees how large it is", async () => {
  await using rig = DeviceRig.create(balloon, "size=1M");
  assert.equal(rig.config.field(0, 4), 256);
  rig.start();
  assert.deepEqual(rig.command("size", "8M"), { target: 8 * MIB, actual: 0 });
  assert.equal(rig.config.field(0, 4), 2048);
  assert.equal(rig.config.changes, 1, "the driver is told");
  rig.writeConfig(4, pages(2048));
  assert.equal(rig.metrics.read().actual, 8 * MIB);
  assert.throws(() => rig.command("size", "64M"), /the guest has 16777216 bytes/);
  assert.throws(() => rig.command("size", "much"), /^DeviceError: size: it is a size/);
  assert.throws(() => rig.command("grow"), /there are size and stats/);
});

Deno.test("a balloon larger than the guest is refused", () => {
  assert.throws(() => DeviceRig.create(balloon, "size=1G"), /balloon: size: the guest has/);
});

Deno.test("a page outside of RAM stops the device", async () => {
  await using rig = DeviceRig.create(balloon, {});
  rig.start();
  rig.offer(INFLATE, { readable: [pages(0xffff_ffff)] });
  assert.match(String(rig.failure), /page 0xffffffff is not RAM/);
});

Deno.test("the size that is wanted survives a save", async () => {
  await using rig = DeviceRig.create(balloon, "size=2M");
  rig.start();
  rig.command("size", "4M");
  await using next = DeviceRig.create(balloon, "size=2M", { saved: rig.save() });
  assert.equal((next.command("stats") as Record<string, number>).target, 4 * MIB);
});

Deno.test("a balloon stands hostile drivers", async () => {
  await fuzzDevice({
    module: balloon,
    options: "stats=1,free-page-reporting",
    requestGenerator: (random) => {
      const queue = random.below(4);
      if (queue === 3) return { queue, writable: [random.length(65_536)] };
      return { queue, readable: [random.bytes(random.length(4096))] };
    },
    hostEvent: (random, rig) => void rig.command("size", random.below(256) * PAGE),
  });
});

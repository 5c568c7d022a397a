import assert from "node:assert/strict";
import type { IoScope, IoTimer } from "../../../src/ffi/mod.ts";
import type { VirtioModule } from "../module.ts";
import { DeviceRig } from "../testing/rig.ts";
import { scopeWith } from "../testing/scope.ts";
import { makeImage, readOf, withDirectory } from "./block_test_rig.ts";
import { block, type BlockBackend } from "./mod.ts";

const MiB = 1 << 20;

/** Time that passes when a test says so, so that a busy host can't spoil what is measured. */
class SimulatedTime {
  now = 0;
  /** How often timers have called back. */
  fired = 0;
  readonly #timers = new Map<IoTimer, { deadline: number; fire: () => void }>();

  /** Disks that live in this time. */
  readonly module: VirtioModule<typeof block.options, BlockBackend> = {
    ...block,
    open: (description, context) =>
      block.open(description, { ...context, io: this.#scope(context.io) }),
  };

  /** Goes on to the next timer, and a little further: the host is late. @returns whether there was one until then */
  next(end: number, late: number): boolean {
    const first = [...this.#timers].toSorted(([, a], [, b]) => a.deadline - b.deadline)[0];
    if (first === undefined || first[1].deadline > end) {
      this.now = end;
      return false;
    }
    this.now = Math.max(this.now, first[1].deadline) + late;
    this.#timers.delete(first[0]);
    this.fired++;
    first[1].fire();
    return true;
  }

  #scope(io: IoScope): IoScope {
    return scopeWith(io, {
      now: () => this.now,
      timer: (fire) => {
        const timers = this.#timers;
        const timer: IoTimer = {
          get armed() {
            return timers.has(timer);
          },
          set: (milliseconds) => timers.set(timer, { deadline: this.now + milliseconds, fire }),
          clear: () => timers.delete(timer),
        };
        return timer;
      },
    });
  }
}

/**
 * Reads as fast as it's allowed for some simulated time; the disk itself takes none.
 *
 * @param depths how many requests wait in each queue
 * @param late by how many milliseconds timers are late
 * @returns for each queue, requests a second
 */
function measure(
  rig: DeviceRig,
  time: SimulatedTime,
  depths: number[],
  length: number,
  milliseconds: number,
  late: () => number,
): number[] {
  const done = depths.map(() => 0);
  const settle = () => {
    for (let more = true; more;) {
      for (const queue of depths.keys()) rig.kick(queue);
      rig.run(() => rig.io.pending === 0);
      more = false;
      for (const queue of depths.keys()) {
        for (const _ of rig.collect(queue).splice(0)) {
          more = true;
          done[queue]++;
          rig.driver.queue(queue).offer(readOf(0, length));
        }
      }
    }
  };
  for (const [queue, depth] of depths.entries()) {
    for (let i = 0; i < depth; i++) rig.driver.queue(queue).offer(readOf(0, length));
  }
  // What was saved up passes at once.
  settle();
  done.fill(0);
  const began = time.now;
  const end = began + milliseconds;
  while (time.next(end, late())) settle();
  return done.map((count) => count / (time.now - began) * 1000);
}

Deno.test("operations and bytes are kept to their limits within 5 %, however late timers are", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, 4 * MiB);
    const cases: [string, number, number][] = [
      ["iops=2000", 4096, 2000],
      ["iops=2000,iops-burst=50,bandwidth=1G", 512, 2000],
      ["bandwidth=20M/s", 65_536, 20 * 16],
      ["bandwidth=40M/s,iops=100000", MiB, 40],
      ["bandwidth=8M/s,bandwidth-burst=16K", 4096, 2048],
    ];
    for (const [limits, length, expected] of cases) {
      let seed = 1;
      for (const late of [() => 0, () => (seed = seed * 1103515245 % 2147483648) / 2147483648]) {
        const time = new SimulatedTime();
        await using rig = DeviceRig.create(time.module, `${path},${limits}`);
        rig.start();
        const [rate] = measure(rig, time, [8], length, 3000, late);
        assert(Math.abs(rate / expected - 1) < 0.05, `${limits}: ${rate} requests a second`);
        assert(time.fired <= 3 * expected + 2, `${time.fired} timers`);
      }
    }
  });
});

Deno.test("queues under a limit have equal shares, however full they are", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    const time = new SimulatedTime();
    await using rig = DeviceRig.create(time.module, `${path},queues=3,iops=1000`);
    rig.start();
    const rates = measure(rig, time, [40, 10, 3], 512, 1000, () => 0.5);
    for (const rate of rates) assert(Math.abs(rate / 333 - 1) < 0.05, `${rates}`);
  });
});

Deno.test("limits change while requests wait, and when they go, nothing waits any more", async () => {
  await withDirectory(async (directory) => {
    const time = new SimulatedTime();
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(time.module, `${path},iops=1,iops-burst=1`);
    rig.start();
    for (let i = 0; i < 20; i++) rig.driver.queue(0).offer(readOf(i, 512));
    rig.kick(0);
    rig.run(() => rig.collect(0).length === 1);
    assert.equal(time.next(900, 0), true, "the second is a loan");
    rig.run(() => rig.collect(0).length === 2);
    assert.equal(time.next(900, 0), false, "the next is due after a second");
    assert.throws(() => rig.command("limits", { iops: "fast" }), /iops: it is an amount/);
    const limits = rig.command("limits", { iops: null, bandwidth: "1G/s" });
    assert.deepEqual(limits, {
      bandwidth: 2 ** 30,
      "bandwidth-burst": null,
      iops: null,
      "iops-burst": null,
    });
    assert.equal(time.next(900, 0), true);
    rig.run(() => rig.collect(0).length === 20);
    assert.equal(rig.metrics.read().throttled, 2);
  });
});

Deno.test("a disk that waits for its limit sleeps, and a driver that kicks does not wake it", async () => {
  await withDirectory(async (directory) => {
    const time = new SimulatedTime();
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(time.module, `${path},iops=2,iops-burst=1`);
    rig.start();
    for (let i = 0; i < 4; i++) rig.driver.queue(0).offer(readOf(i, 512));
    for (let i = 0; i < 100; i++) rig.kick(0);
    rig.run(() => rig.collect(0).length === 1);
    assert.equal(rig.metrics.read().throttled, 1);
    while (time.next(10_000, 0)) rig.run(() => rig.io.pending === 0);
    assert.equal(rig.collect(0).length, 4);
    assert(time.fired <= 4, `${time.fired} timers for three waits`);
  });
});

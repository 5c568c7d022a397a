/**
 * Balloons of stock kernels: what a guest gives back is the host's.
 * @module
 */
import assert from "node:assert/strict";
import type { Guest } from "../../src/guest/agent/mod.ts";
import { vmTest } from "../../src/vm/test.ts";
import { copyPeer, peerIn, startPeerIn } from "./guest_peer.ts";
import { tell, until } from "./peer.ts";
import { deviceLog, LINUX, sh } from "./shell.ts";

const MIB = 2 ** 20;
/** The guest's memory. */
const MEMORY = 512;
/** What its programs write to. */
const FILLED = 240;
/** What a balloon takes: more than is free while that is in use. */
const TAKEN = 320;
/** Pages that come and go meanwhile. */
const SLACK = 40;
/** For 80,000 pages on a busy host. */
const RESIZE_SECONDS = 120;
/** For a test on such a host. */
const TIMEOUT = "15m";

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", false], ["mmio", true]] as const) {
  const layout = packed ? "packed" : "split";
  // What a memfd's pages take can be seen from outside.
  const hugePages = "none";
  const machine = {
    ...LINUX,
    timeout: TIMEOUT,
    transport,
    memory: `${MEMORY}M`,
    hugePages,
  } as const;
  vmTest(`a balloon takes and gives memory on ${transport} with ${layout} queues`, {
    ...machine,
    balloon: { stats: 1, packed },
  }, async (vm, t) => {
    const { guest } = vm;
    const log = deviceLog(vm);
    const device = vm.devices.get("balloon")!;
    await copyPeer(guest);
    const fill = () => peerIn(guest, "fill", `${FILLED}`);
    const filled = `filled ${FILLED} MiB\n`;
    /** Asks for a size and waits for it. */
    const resize = async (mebibytes: number) => {
      await device.command("size", mebibytes * MIB);
      const done = () => device.metrics.actual === mebibytes * MIB;
      await until(`a balloon of ${mebibytes} MiB`, done, RESIZE_SECONDS);
    };
    await sh(
      guest,
      "dd if=/dev/urandom of=/tmp/data bs=1M count=8; sha256sum /tmp/data > /tmp/sum",
    );

    await t.step("what it takes is the host's, and no more the guest's", async () => {
      assert.equal(await fill(), filled);
      const host = hostMebibytes();
      assert(host > FILLED, `the host has given ${host} MiB, and the guest has used ${FILLED}`);
      const { free } = await memoryOf(guest);
      await resize(TAKEN);
      const less = host - hostMebibytes();
      const freed = free - (await memoryOf(guest)).free;
      tell(`${transport}: a balloon of ${TAKEN} MiB: ${less} MiB less on the host`);
      // Of what it takes, some the guest had never touched.
      assert(host - less < MEMORY - TAKEN + SLACK, `the host still gives ${host - less} MiB`);
      assert(less > FILLED - (MEMORY - TAKEN), `the host has only ${less} MiB back`);
      assert(Math.abs(freed - TAKEN) < SLACK, `the guest has ${freed} MiB less`);
    });

    await t.step("the guest's other memory stays as it was", async () => {
      await sh(guest, "sha256sum -c /tmp/sum");
    });

    await t.step("its statistics are the guest's", async () => {
      const before = device.metrics.statistics;
      await until("statistics", () => device.metrics.statistics > before + 1);
      const stats = await device.command("stats") as Record<string, number>;
      const { total } = await memoryOf(guest);
      assert.equal(Math.floor(stats.totalMemory / MIB), total, JSON.stringify(stats));
      const { free } = await memoryOf(guest);
      assert(Math.abs(stats.freeMemory / MIB - free) < SLACK, JSON.stringify(stats));
      assert.equal(stats.actual, TAKEN * MIB);
    });

    await t.step(
      "a guest that runs out of memory takes back what it needs, and lives",
      async () => {
        assert.equal(await fill(), filled);
        const { actual, target } = device.metrics;
        tell(`${transport}: out of memory: the balloon went from ${TAKEN} to ${actual / MIB} MiB`);
        assert.equal(target, TAKEN * MIB);
        assert(actual < (MEMORY - FILLED) * MIB, `the balloon has ${actual / MIB} MiB`);
        assert.doesNotMatch(await sh(guest, "dmesg"), /Out of memory|oom-kill/);
      },
    );

    await t.step("what it gives back is the guest's again", async () => {
      await resize(0);
      const { free } = await memoryOf(guest);
      assert(free > FILLED + SLACK, `${free} MiB are free`);
      assert.equal(await fill(), filled);
      await sh(guest, "sha256sum -c /tmp/sum");
    });
    assert.deepEqual(log, []);
  });

  vmTest(`memory that the guest frees is the host's again, on ${transport}`, {
    ...machine,
    balloon: { "free-page-reporting": true, "deflate-on-oom": "off", packed },
  }, async (vm) => {
    const { guest } = vm;
    const log = deviceLog(vm);
    const device = vm.devices.get("balloon")!;
    await copyPeer(guest);
    const filled = `filled ${FILLED} MiB`;
    const { process } = await startPeerIn(guest, filled, "fill", `${FILLED}`, "keep");
    const used = hostMebibytes();
    assert(used > FILLED, `the host has given ${used} MiB, and the guest uses ${FILLED}`);
    await process.kill();
    // Linux reports some seconds after it has freed.
    await until("the host has it back", () => hostMebibytes() < used - FILLED * 0.9, 60);
    tell(`${transport}: ${FILLED} MiB freed: ${used - hostMebibytes()} MiB less on the host`);
    assert(device.metrics.reports > 0);

    // Without deflation on demand, the guest counts what the balloon takes as memory that it doesn't have.
    const { total } = await memoryOf(guest);
    await device.command("size", 64 * MIB);
    await until("a balloon", () => device.metrics.actual === 64 * MIB);
    assert.equal(total - (await memoryOf(guest)).total, 64);
    assert.deepEqual(log, []);
  });
}

/** The guest's memory in MiB, as its kernel counts it. */
async function memoryOf(guest: Guest): Promise<{ total: number; free: number }> {
  const { total, free } = (await guest.info()).memory;
  return { total: Math.floor(total / MIB), free: Math.floor(free / MIB) };
}

/** MiB that the host has given to the memory of this process's guests: their files' blocks. */
function hostMebibytes(): number {
  const files = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const path = `/proc/self/fd/${name}`;
    try {
      if (!Deno.readLinkSync(path).startsWith("/memfd:")) continue;
      const { ino, blocks } = Deno.statSync(path);
      files.set(ino!, blocks! * 512);
    } catch (error) {
      // The descriptor that this folder was read by.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const bytes = [...files.values()].reduce((sum, each) => sum + each, 0);
  assert(bytes > 0, "this process has no guest's memory");
  return Math.round(bytes / MIB);
}

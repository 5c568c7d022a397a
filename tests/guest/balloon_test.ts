/**
 * Balloons of stock kernels: what a guest gives back is the host's.
 * @module
 */
import assert from "node:assert/strict";
import { guestTest } from "./boot.ts";
import { patiently, peerFile, tell, until } from "./peer.ts";
import { PeerGuest } from "./peer_guest.ts";

const MIB = 2 ** 20;
/** The guest's memory. */
const MEMORY = 512;
/** What its programs write to. */
const FILLED = 240;
/** What a balloon takes: more than is free while that is in use. */
const TAKEN = 320;
/** Pages that come and go meanwhile. */
const SLACK = 40;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", false], ["mmio", true]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`a balloon takes and gives memory on ${transport} with ${layout} queues`, async (t) => {
    await using guest = await PeerGuest.start({
      transport,
      memory: `${MEMORY}M`,
      balloon: { stats: 1, packed },
      drivers: ["virtio_balloon"],
      files: [await peerFile()],
    });
    const device = guest.machine.devices.get("balloon")!;
    /** Asks for a size and waits for it. */
    const resize = async (mebibytes: number) => {
      await device.command("size", mebibytes * MIB);
      await until(`a balloon of ${mebibytes} MiB`, () => device.metrics.actual === mebibytes * MIB);
    };
    await guest.run(
      "dd if=/dev/urandom of=/tmp/data bs=1M count=8; sha256sum /tmp/data > /tmp/sum",
    );

    await t.step("what it takes is the host's, and no more the guest's", async () => {
      await guest.run(`peer fill ${FILLED}`);
      const host = hostMebibytes();
      assert(host > FILLED, `the host has given ${host} MiB, and the guest has used ${FILLED}`);
      const free = await meminfo(guest, "MemFree");
      await resize(TAKEN);
      const less = host - hostMebibytes();
      const freed = free - await meminfo(guest, "MemFree");
      tell(`${transport}: a balloon of ${TAKEN} MiB: ${less} MiB less on the host`);
      // Of what it takes, some the guest had never touched.
      assert(host - less < MEMORY - TAKEN + SLACK, `the host still gives ${host - less} MiB`);
      assert(less > FILLED - (MEMORY - TAKEN), `the host has only ${less} MiB back`);
      assert(Math.abs(freed - TAKEN) < SLACK, `the guest has ${freed} MiB less`);
    });

    await t.step("the guest's other memory stays as it was", async () => {
      await guest.run("sha256sum -c /tmp/sum");
    });

    await t.step("its statistics are the guest's", async () => {
      const before = device.metrics.statistics;
      await until("statistics", () => device.metrics.statistics > before + 1);
      const stats = await device.command("stats") as Record<string, number>;
      const total = await meminfo(guest, "MemTotal");
      assert.equal(Math.floor(stats.totalMemory / MIB), total, JSON.stringify(stats));
      const free = await meminfo(guest, "MemFree");
      assert(Math.abs(stats.freeMemory / MIB - free) < SLACK, JSON.stringify(stats));
      assert.equal(stats.actual, TAKEN * MIB);
    });

    await t.step(
      "a guest that runs out of memory takes back what it needs, and lives",
      async () => {
        assert.equal(await guest.run(`peer fill ${FILLED}`), `filled ${FILLED} MiB`);
        const { actual, target } = device.metrics;
        tell(`${transport}: out of memory: the balloon went from ${TAKEN} to ${actual / MIB} MiB`);
        assert.equal(target, TAKEN * MIB);
        assert(actual < (MEMORY - FILLED) * MIB, `the balloon has ${actual / MIB} MiB`);
        assert.doesNotMatch(await guest.run("dmesg"), /Out of memory|oom-kill/);
      },
    );

    await t.step("what it gives back is the guest's again", async () => {
      await resize(0);
      const free = await meminfo(guest, "MemFree");
      assert(free > FILLED + SLACK, `${free} MiB are free`);
      assert.equal(await guest.run(`peer fill ${FILLED}`), `filled ${FILLED} MiB`);
      await guest.run("sha256sum -c /tmp/sum");
    });
    assert.deepEqual(guest.log, []);
  });

  guestTest(`memory that the guest frees is the host's again, on ${transport}`, async () => {
    await using guest = await PeerGuest.start({
      transport,
      memory: `${MEMORY}M`,
      balloon: { "free-page-reporting": true, "deflate-on-oom": "off", packed },
      drivers: ["virtio_balloon"],
      files: [await peerFile()],
    });
    const device = guest.machine.devices.get("balloon")!;
    await guest.run(`(peer fill ${FILLED} keep > /tmp/fill 2>&1 & echo $! > /tmp/pid)`);
    await guest.run(patiently("grep -q filled /tmp/fill"));
    const used = hostMebibytes();
    assert(used > FILLED, `the host has given ${used} MiB, and the guest uses ${FILLED}`);
    await guest.run("kill $(cat /tmp/pid)");
    // Linux reports some seconds after it has freed.
    await until("the host has it back", () => hostMebibytes() < used - FILLED * 0.9, 60);
    tell(`${transport}: ${FILLED} MiB freed: ${used - hostMebibytes()} MiB less on the host`);
    assert(device.metrics.reports > 0);

    // Without deflation on demand, the guest counts what the balloon takes as memory that it doesn't have.
    const total = await meminfo(guest, "MemTotal");
    await device.command("size", 64 * MIB);
    await until("a balloon", () => device.metrics.actual === 64 * MIB);
    assert.equal(total - await meminfo(guest, "MemTotal"), 64);
    assert.deepEqual(guest.log, []);
  });
}

/** A line of the guest's /proc/meminfo, in MiB. */
async function meminfo(guest: PeerGuest, name: string): Promise<number> {
  const text = await guest.run(`grep ^${name}: /proc/meminfo`);
  return Math.floor(Number(/\d+/.exec(text)![0]) / 1024);
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

/**
 * Drivers that are taken from busy devices and given back, on both transports.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { GUEST_MAC, HostSocket, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { runText } from "../../src/rootfs/command.ts";
import { guestTest } from "./boot.ts";
import { peer, peerFile, peerProgram, tell } from "./peer.ts";
import { PeerGuest } from "./peer_guest.ts";
import { PORT_SCRIPT, writtenBytes } from "./ports.ts";
import { rebindScripts, ROUNDS } from "./rebind.ts";

const DRIVERS = [
  ...["virtio_balloon", "virtio_console", "virtio_net", "virtio_rng"],
  "vmw_vsock_virtio_transport",
];
/** Where the guest takes connections. */
const VSOCK_PORT = 5000;
/** All rounds of one driver, on a busy host. */
const ROUNDS_SECONDS = 150;
/** A MiB each way, while the guest has other things to do. */
const CONNECTION_SECONDS = 60;
const MEBIBYTE = 1 << 20;

interface Rig {
  readonly guest: PeerGuest;
  readonly tap: TestTap;
  readonly uds: string;
  readonly log: string;
  readonly busy: string;
}

/** What the host does to keep the devices busy, until it's told to stop. */
async function hostLoad({ guest, tap, uds, busy }: Rig, signal: AbortSignal): Promise<void> {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const datagrams = async () => {
    await using socket = await HostSocket.bind(tap.hostIp);
    while (!signal.aborted) {
      // While the guest has no card, the host has no way to it.
      await socket.send(new Uint8Array(1400), 9, tap.guestIp).catch(() => {});
      await pause(5);
    }
  };
  const connections = async () => {
    for (let seed = 1; !signal.aborted; seed++) {
      const began = performance.now();
      const words = ["duplex", `uds:${uds}:${VSOCK_PORT}`, String(MEBIBYTE), String(seed)];
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECTION_SECONDS * 1000)]);
      // Those that lose their device under way fail; what they must not do is wait for ever.
      await runText([await peerProgram(), ...words], { signal: limit }).catch(() => {});
      const seconds = (performance.now() - began) / 1000;
      assert(seconds < CONNECTION_SECONDS, `connection ${seed} hangs`);
      await pause(10);
    }
  };
  const balloon = async () => {
    for (let size = 8; !signal.aborted; size = 72 - size) {
      await guest.machine.devices.get("balloon")!.command("size", size * MEBIBYTE);
      await pause(100);
    }
  };
  const port = async () => {
    using client = await Deno.connect({ transport: "unix", path: busy });
    const closed = () => {
      try {
        client.close();
      } catch { /* it is closed already */ }
    };
    signal.addEventListener("abort", closed);
    const ignoreEnd = (error: unknown) => {
      if (!signal.aborted) throw error;
    };
    const [into, bytes] = [new Uint8Array(1 << 16), new Uint8Array(1 << 12)];
    const drain = async () => {
      while (await client.read(into) !== null);
    };
    const feed = async () => {
      while (!signal.aborted) {
        await client.write(bytes);
        await pause(1);
      }
    };
    await Promise.all([drain().catch(ignoreEnd), feed().catch(ignoreEnd)]);
  };
  await Promise.all([datagrams(), connections(), balloon(), port()]);
}

/** Has the devices busy while `body` runs. */
async function underLoad(rig: Rig, body: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const host = hostLoad(rig, stop.signal);
  host.catch(() => {}); // It is awaited below.
  await rig.guest.run("(setsid load > /dev/null 2>&1 &)");
  try {
    await body();
  } finally {
    stop.abort();
  }
  await host;
  await rig.guest.run("kill -9 -$(cat /run/load); sleep 0.2");
}

/** Every device has its driver, wants no reset, and does what it's for. */
async function assertAtWork({ guest, tap, uds, log }: Rig, after: string): Promise<void> {
  assert.deepEqual(guest.log, [], after);
  const devices = await guest.run("devices");
  assert.equal(devices, DRIVERS.map((driver) => `${driver} 0x0000000f`).join("\n"), after);
  assert.equal(await guest.run("head -c 1000 /dev/hwrng | wc -c"), "1000", after);
  await guest.run(`ip address add ${tap.guestIp}/30 dev eth0 2> /dev/null; ip link set eth0 up`);
  assert.match(await guest.run(`ping -c 3 -A ${tap.hostIp}`), / 3 packets received/, after);
  const before = (await Deno.stat(log)).size;
  await guest.run(`echo ${after} > $(port log)`);
  const line = `${after}\n`;
  const written = await writtenBytes(log, before + line.length);
  assert.equal(new TextDecoder().decode(written.subarray(before)), line);
  await peer("send", `uds:${uds}:${VSOCK_PORT}`, String(MEBIBYTE), "1");
  await assertBalloon(guest, 16 * MEBIBYTE, after);
  await assertBalloon(guest, 0, after);
  assert.deepEqual(guest.log, [], after);
  const complaints =
    "dmesg | grep -E 'BUG|WARNING|Call Trace|hung|needs reset|virtio.*(fail|error)'";
  assert.deepEqual(await guest.try(complaints), { status: 1, text: "" }, after);
}

/** All rounds of one thing. */
async function rebind(guest: PeerGuest, what: string): Promise<void> {
  const began = performance.now();
  await guest.run(`rebind ${what}`, ROUNDS_SECONDS);
  tell(`${what}: ${((performance.now() - began) / ROUNDS).toFixed(0)} ms a round`);
}

/** The guest's driver makes the balloon as large as it is to be. */
async function assertBalloon(guest: PeerGuest, size: number, after: string): Promise<void> {
  const balloon = guest.machine.devices.get("balloon")!;
  await balloon.command("size", size);
  const end = performance.now() + 30_000;
  for (;;) {
    const stats = JSON.stringify(await balloon.command("stats"));
    if (JSON.parse(stats).actual === size) return;
    assert(performance.now() < end, `${after}: the balloon is to have ${size} bytes: ${stats}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const transport of ["pci", "mmio"] as const) {
  guestTest(
    `each driver on ${transport} comes back ${ROUNDS} times while its device is busy, and all are at work after it`,
    async () => {
      using tap = new TestTap();
      const folder = await Deno.makeTempDir();
      try {
        const [uds, log, busy] = ["vsock", "log", "busy"].map((name) => join(folder, name));
        await using guest = await PeerGuest.start({
          transport,
          cpus: 2,
          drivers: DRIVERS,
          files: [PORT_SCRIPT, await peerFile(), ...rebindScripts(tap.hostIp, tap.guestIp)],
          nets: [{ tap: tap.name, mac: GUEST_MAC }],
          rng: true,
          balloon: { stats: 1 },
          vsock: { uds },
          ports: [{ name: "log", file: log }, { name: "busy", uds: busy }],
        });
        const rig = { guest, tap, uds, log, busy };
        await guest.run(`(peer serve vsock:-1:${VSOCK_PORT} > /dev/null 2>&1 &)`);
        await assertAtWork(rig, "the boot");
        const ways = transport === "pci" ? ["pci", "rescan"] : ["mmio"];
        await underLoad(rig, async () => {
          for (const what of [...DRIVERS, "reload"]) await rebind(guest, what);
        });
        await assertAtWork(rig, "the drivers");
        for (const way of ways) {
          await underLoad(rig, () => rebind(guest, way));
          await assertAtWork(rig, way);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

/**
 * Socket devices of stock kernels: streams between programs in the guest and on the host.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { guestTest } from "./boot.ts";
import {
  patiently,
  Peer,
  peer,
  peerFile,
  peerProgram,
  speed,
  tell,
  transfer,
  transferBytes,
  until,
} from "./peer.ts";
import { PeerGuest } from "./peer_guest.ts";

const PORT = 5000;
/** Where nobody listens, on either side. */
const FREE_PORT = 5001;
/** Where somebody listens in the guest and takes nothing. */
const IDLE_PORT = 5002;
/** What fits a run of all tests where the host's KVM is emulated itself; a GiB takes minutes there. */
const MEBIBYTES = 64;
/** For a GiB on a busy host. */
const TRANSFER_SECONDS = 400;
const CONNECTIONS = 64;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`sockets connect guest and host on ${transport} with ${layout} queues`, async (t) => {
    const folder = await Deno.makeTempDir();
    try {
      const uds = join(folder, "v.sock");
      await using guest = await PeerGuest.start({
        transport,
        vsock: { uds, cid: 42, packed },
        drivers: ["vmw_vsock_virtio_transport"],
        files: [await peerFile()],
      });
      const device = guest.machine.devices.get("vsock")!;
      await guest.run(
        `(peer serve vsock:-1:${PORT} > /tmp/serve 2>&1 & echo $! > /tmp/server); sleep 1; cat /tmp/serve`,
      );
      await using _server = await Peer.start("listening", "serve", `unix:${uds}_${PORT}`);
      const [toGuest, toHost] = [`uds:${uds}:${PORT}`, `vsock:2:${PORT}`];

      await t.step("what the guest sends before it closes its half is answered whole", async () => {
        const bytes = transferBytes(MEBIBYTES);
        const done = transfer(await guest.run(`peer send ${toHost} ${bytes} 1`, TRANSFER_SECONDS));
        assert.equal(done.bytes, bytes);
        tell(`guest to host by ${transport}: ${speed(done)}`);
        assert(device.metrics.tx_bytes > bytes);
      });

      await t.step("what the host sends before it closes its half is answered whole", async () => {
        const bytes = transferBytes(MEBIBYTES);
        const done = transfer(await peer("send", toGuest, `${bytes}`, "2"));
        assert.equal(done.bytes, bytes);
        tell(`host to guest by ${transport}: ${speed(done)}`);
        assert(device.metrics.rx_bytes > bytes);
      });

      await t.step("data flows both ways at once", async () => {
        const bytes = 8 << 20;
        const [fromGuest, fromHost] = await Promise.all([
          guest.run(`peer duplex ${toHost} ${bytes} 3`),
          peer("duplex", toGuest, `${bytes}`, "4"),
        ]);
        assert.equal(transfer(fromGuest).bytes, bytes);
        assert.equal(transfer(fromHost).bytes, bytes);
      });

      await t.step(`${CONNECTIONS} connections are open at once, from either side`, async () => {
        const bytes = 128 << 10;
        const [fromGuest, fromHost] = await Promise.all([
          guest.run(`peer many ${toHost} ${CONNECTIONS} ${bytes}`),
          peer("many", toGuest, `${CONNECTIONS}`, `${bytes}`),
        ]);
        for (const text of [fromGuest, fromHost]) {
          assert.match(text, new RegExp(`^sent over ${CONNECTIONS} connections`));
        }
        await until("no connection is left", () => device.metrics.connections === 0);
      });

      await t.step("who connects where nobody listens is refused", async () => {
        const refused = await guest.try(`peer send vsock:2:${FREE_PORT} 8 5`);
        assert.equal(refused.status, 1);
        assert.match(refused.text, /connect: Connection (reset|refused)/);
        await assert.rejects(peer("send", `uds:${uds}:${FREE_PORT}`, "8", "5"), /has closed/);
      });

      await t.step("connections that nobody has taken end with who listened for them", async () => {
        await guest.run(
          `(peer listen vsock:-1:${IDLE_PORT} > /tmp/l 2>&1 & echo $! > /tmp/idle); sleep 1`,
        );
        await using waiting = await Peer.start("connected", "hold", `uds:${uds}:${IDLE_PORT}`);
        await guest.run("kill -9 $(cat /tmp/idle)");
        assert.match(await waiting.line() ?? "", /^ended by (a close|Connection reset by peer)$/);
      });

      await t.step("connections end with the guest's programs that had them", async () => {
        await using first = await Peer.start("connected", "hold", toGuest);
        await using second = await Peer.start("connected", "hold", toGuest);
        for (const held of [first, second]) assert.equal(await held.line(), "held");
        await guest.run("killall -9 peer");
        for (const held of [first, second]) {
          assert.match(await held.line() ?? "", /^ended by (a close|Connection reset by peer)$/);
        }
        await assert.rejects(peer("send", toGuest, "8", "6"), /has closed/);
        await until("no connection is left", () => device.metrics.connections === 0);
      });

      await t.step(
        "a connection of the guest's ends with the host's program that had it",
        async () => {
          const program = await peerProgram();
          const server = new Deno.Command(program, {
            args: ["serve", `unix:${uds}_${FREE_PORT}`],
            stdout: "null",
          }).spawn();
          try {
            await guest.run(`(peer hold vsock:2:${FREE_PORT} > /tmp/held 2>&1 &)`);
            await guest.run(patiently("grep -q held /tmp/held"));
          } finally {
            killChildren(server.pid);
            server.kill("SIGKILL");
            await server.status;
          }
          await guest.run(patiently("grep -q 'ended by' /tmp/held"));
        },
      );
      assert.deepEqual(guest.log, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Ends the programs that a server has started for its connections. */
function killChildren(pid: number): void {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  for (const child of children.trim().split(/\s+/).filter(Boolean)) {
    Deno.kill(Number(child), "SIGKILL");
  }
}

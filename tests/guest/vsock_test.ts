/**
 * Socket devices of stock kernels: streams between programs in the guest and on the host.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Machine } from "../../mod.ts";
import { guestTest } from "./boot.ts";
import { copyPeer, peerIn, type RunningPeer, startPeerIn } from "./guest_peer.ts";
import { Peer, peer, peerProgram, speed, tell, transfer, transferBytes, until } from "./peer.ts";
import { deviceLog, LINUX } from "./shell.ts";

const PORT = 5000;
/** Where nobody listens, on either side. */
const FREE_PORT = 5001;
/** Where somebody listens in the guest and takes nothing. */
const IDLE_PORT = 5002;
/** What fits a run of all tests where the host's KVM is emulated itself; a GiB takes minutes there. */
const MEBIBYTES = 64;
const CONNECTIONS = 64;
/** Of the agent's to a program that is under way: for requests, and for what it prints. */
const AGENT = 2;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`sockets connect guest and host on ${transport} with ${layout} queues`, async (t) => {
    const folder = await Deno.makeTempDir();
    try {
      const uds = join(folder, "v.sock");
      await using vm = await Machine.start({
        ...LINUX,
        transport,
        vsock: { uds, cid: 42, packed },
      });
      const { guest } = vm;
      const log = deviceLog(vm);
      const device = vm.devices.get("vsock")!;
      await copyPeer(guest);
      const server = await startPeerIn(guest, "listening", "serve", `vsock:-1:${PORT}`);
      await using _server = await Peer.start("listening", "serve", `unix:${uds}_${PORT}`);
      const [toGuest, toHost] = [`uds:${uds}:${PORT}`, `vsock:2:${PORT}`];

      await t.step("what the guest sends before it closes its half is answered whole", async () => {
        const bytes = transferBytes(MEBIBYTES);
        const done = transfer(await peerIn(guest, "send", toHost, `${bytes}`, "1"));
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
          peerIn(guest, "duplex", toHost, `${bytes}`, "3"),
          peer("duplex", toGuest, `${bytes}`, "4"),
        ]);
        assert.equal(transfer(fromGuest).bytes, bytes);
        assert.equal(transfer(fromHost).bytes, bytes);
      });

      await t.step(`${CONNECTIONS} connections are open at once, from either side`, async () => {
        const bytes = 128 << 10;
        const [fromGuest, fromHost] = await Promise.all([
          peerIn(guest, "many", toHost, `${CONNECTIONS}`, `${bytes}`),
          peer("many", toGuest, `${CONNECTIONS}`, `${bytes}`),
        ]);
        for (const text of [fromGuest, fromHost]) {
          assert.match(text, new RegExp(`^sent over ${CONNECTIONS} connections`));
        }
        await until("no other connection is left", () => device.metrics.connections === AGENT);
      });

      await t.step("who connects where nobody listens is refused", async () => {
        const refused = await guest.exec(["peer", "send", `vsock:2:${FREE_PORT}`, "8", "5"]);
        assert.equal(refused.code, 1);
        assert.match(refused.stderrText, /connect: Connection (reset|refused)/);
        await assert.rejects(peer("send", `uds:${uds}:${FREE_PORT}`, "8", "5"), /has closed/);
      });

      await t.step("connections that nobody has taken end with who listened for them", async () => {
        const idle = await startPeerIn(guest, "listening", "listen", `vsock:-1:${IDLE_PORT}`);
        await using waiting = await Peer.start("connected", "hold", `uds:${uds}:${IDLE_PORT}`);
        await idle.process.kill("SIGKILL");
        assert.match(await waiting.line() ?? "", /^ended by (a close|Connection reset by peer)$/);
      });

      await t.step("connections end with the guest's programs that had them", async () => {
        await using first = await Peer.start("connected", "hold", toGuest);
        await using second = await Peer.start("connected", "hold", toGuest);
        for (const held of [first, second]) assert.equal(await held.line(), "held");
        await server.process.kill("SIGKILL");
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
          let held: RunningPeer;
          const server = new Deno.Command(program, {
            args: ["serve", `unix:${uds}_${FREE_PORT}`],
            stdout: "null",
          }).spawn();
          try {
            held = await startPeerIn(guest, "connected", "hold", `vsock:2:${FREE_PORT}`);
            assert.equal(await held.line(), "held");
          } finally {
            killChildren(server.pid);
            server.kill("SIGKILL");
            await server.status;
          }
          assert.match(await held.line() ?? "", /^ended by /);
        },
      );
      assert.deepEqual(log, []);
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

import assert from "node:assert/strict";
import { fuzzDevice } from "../testing/fuzz.ts";
import type { Random } from "../testing/random.ts";
import { VirtqueueError } from "../queue/mod.ts";
import { BUFFER_SIZE } from "./device.ts";
import { vsock } from "./mod.ts";
import type { GuestSocket } from "./testing/guest_stack.ts";
import { HostListener, HostPeer } from "./testing/host_peer.ts";
import { VsockRig } from "./testing/vsock_rig.ts";
import { wireHeader, type WirePacket } from "./testing/wire.ts";

/** What the guest got back for a packet that belongs to no connection. */
function answer(rig: VsockRig, packet: WirePacket): Required<WirePacket> | undefined {
  rig.guest.stray.length = 0;
  rig.guest.sendPacket(packet);
  rig.runFor(5);
  return rig.guest.stray.shift();
}

const STRANGER = { sourcePort: 1, destinationPort: 2 };

Deno.test("packets that fit no connection are answered by a reset, whatever they are", async () => {
  await using rig = VsockRig.start();
  for (const op of [0, 2, 4, 5, 6, 7, 8, 0xffff]) {
    const reset = answer(rig, { ...STRANGER, op });
    assert(reset !== undefined, `operation ${op} was not answered`);
    assert.deepEqual(
      [reset.op, reset.sourceCid, reset.destinationCid, reset.sourcePort, reset.destinationPort],
      [3, 2, 3, 2, 1],
    );
  }
});

Deno.test("resets are never answered", async () => {
  await using rig = VsockRig.start();
  assert.equal(answer(rig, { ...STRANGER, op: 3 }), undefined);
  assert.equal(answer(rig, { ...STRANGER, op: 3, type: 2 }), undefined);
  assert.equal(answer(rig, { ...STRANGER, op: 3, destinationCid: 7 }), undefined);
});

Deno.test("other types of sockets and other context ids than the host's are refused by a reset", async () => {
  await using rig = VsockRig.start();
  using _listener = rig.listen(2);
  const seqpacket = answer(rig, { ...STRANGER, op: 1, type: 2 });
  assert.deepEqual([seqpacket?.op, seqpacket?.type], [3, 2]);
  for (const destinationCid of [0, 1, 3, 4, 0xffff_ffff, 2 ** 32 + 2]) {
    const reset = answer(rig, { ...STRANGER, op: 1, destinationCid });
    assert.deepEqual([reset?.op, reset?.sourceCid], [3, destinationCid]);
  }
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("packets in another guest's name are dropped", async () => {
  await using rig = VsockRig.start();
  using _listener = rig.listen(2);
  for (const sourceCid of [0, 2, 4, 2 ** 32 + 3]) {
    assert.equal(answer(rig, { ...STRANGER, op: 1, sourceCid }), undefined);
  }
  assert.equal(rig.metric("tx_malformed"), 4);
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("what is too short for a header is dropped", async () => {
  await using rig = VsockRig.start();
  for (const length of [0, 1, 43]) {
    rig.rig.request(1, { readable: [new Uint8Array(length)] });
  }
  rig.rig.request(1, { writable: [100] });
  assert.equal(rig.metric("tx_malformed"), 4);
  assert.equal(rig.rig.failure, undefined);
});

/** Two connections, of which one is about to be misused; the other one must not notice. */
async function misuse(
  what: (rig: VsockRig, socket: GuestSocket) => void,
): Promise<void> {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [bad, badPeer] = rig.fromGuest(listener, 52, false);
  const [good, goodPeer] = rig.fromGuest(listener, 52);
  what(rig, bad);
  rig.run(() => bad.state === "closed");
  assert(bad.wasReset);
  rig.run(() => {
    badPeer.read();
    return badPeer.ended || badPeer.readError !== undefined;
  });
  good.send(new Uint8Array([1, 2, 3]));
  rig.run(() => goodPeer.inbox.length > 0);
  assert.equal(rig.metric("connections"), 1);
}

Deno.test("a payload that is longer than its buffer resets its connection only", () =>
  misuse((rig, { port }) => {
    const packet = { sourcePort: port, destinationPort: 52, op: 5, length: 100 };
    rig.guest.sendPacket({ ...packet, payload: new Uint8Array(99) });
  }));

Deno.test("a length of four gigabytes resets its connection only", () =>
  misuse((rig, { port }) => {
    rig.guest.sendPacket({ sourcePort: port, destinationPort: 52, op: 5, length: 0xffff_ffff });
  }));

Deno.test("data beyond its credit resets its connection only", () =>
  misuse((rig, { port }) => {
    const payload = new Uint8Array(65536);
    for (let sent = 0; sent < 2 * BUFFER_SIZE + (1 << 20); sent += payload.length) {
      rig.guest.sendPacket({ sourcePort: port, destinationPort: 52, op: 5, payload });
    }
  }));

Deno.test("data after its end resets its connection only", () =>
  misuse((_, socket) => {
    socket.packet(4, undefined, 2);
    socket.packet(5, new Uint8Array(1));
  }));

Deno.test("unknown operations reset their connection only", () =>
  misuse((_, socket) => socket.packet(8)));

Deno.test("a second request for what there is resets its connection only", () =>
  misuse((_, socket) => socket.packet(1)));

Deno.test("an answer to what was not asked resets its connection only", () =>
  misuse((_, socket) => socket.packet(2)));

Deno.test("data before the answer ends what a client has asked for", async () => {
  await using rig = VsockRig.start();
  const peer = rig.adopt(HostPeer.request(rig.uds, 80));
  rig.rig.run(() => rig.rig.collect(0).length > 0);
  const hostPort = new DataView(rig.rig.completed[0][0].bytes.buffer).getUint32(16, true);
  rig.guest.sendPacket({
    sourcePort: 80,
    destinationPort: hostPort,
    op: 5,
    payload: new Uint8Array(1),
  });
  rig.rig.run(() => peer.read() && peer.ended);
  assert.equal(rig.metric("connections_from_host"), 1);
});

Deno.test("a flood of requests makes no more connections than there may be", async () => {
  await using rig = VsockRig.start({ device: { connections: 50 } });
  using _listener = rig.listen(52, 4096);
  let most = 0;
  for (let port = 1; port <= 5000; port++) {
    rig.guest.sendPacket({ sourcePort: port, destinationPort: 52, op: 1 });
    most = Math.max(most, rig.metric("connections"));
  }
  rig.run(() => {
    most = Math.max(most, rig.metric("connections"));
    return rig.metric("connections_refused") + rig.metric("connections_from_guest") === 5000;
  });
  assert.equal(most, 50);
});

Deno.test("answers for which a guest has no buffers are bounded, and it can still be reached", async () => {
  await using rig = VsockRig.start();
  rig.guest.buffers = 0;
  for (let port = 1; port <= 3000; port++) {
    rig.guest.sendPacket({ sourcePort: port, destinationPort: 52, op: 1 });
  }
  rig.run(() => rig.metric("tx_packets") === 3000);
  const dropped = rig.metric("resets_dropped");
  assert.equal(dropped, 3000 - 64 - 1024);
  rig.guest.buffers = 64;
  rig.run(() => rig.metric("resets") === 3000 - dropped);
  rig.fromHost(80);
});

Deno.test("receive buffers without room for data stop the device, until it is reset", async () => {
  await using rig = VsockRig.start({ guest: { buffers: 0 } });
  for (const length of [44, 10]) {
    rig.rig.offer(0, { writable: [length] });
    rig.guest.sendPacket({ ...STRANGER, op: 5 });
    rig.rig.run(() => rig.rig.failure !== undefined);
    assert(rig.rig.failure instanceof VirtqueueError);
    assert.match(rig.rig.failure.message, new RegExp(`receive buffer of ${length} bytes`));
    rig.rig.reset();
    rig.start();
  }
});

/** A packet that a guest could send, on one of a few connections. */
function anyPacket(random: Random, ports: readonly number[]): Uint8Array[] {
  const header = wireHeader({
    sourceCid: random.oneIn(20) ? random.u32() : 3,
    destinationCid: random.oneIn(20) ? random.u32() : 2,
    sourcePort: random.oneIn(20) ? random.u32() : random.below(8),
    destinationPort: random.oneIn(20) ? random.u32() : random.pick(ports),
    type: random.oneIn(20) ? random.below(0x10000) : 1,
    op: random.oneIn(20)
      ? random.below(0x10000)
      : random.pick([1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 6, 7]),
    flags: random.oneIn(10) ? random.u32() : random.below(4),
    bufAlloc: random.oneIn(4) ? random.u32() : random.below(1 << 20),
    fwdCnt: random.oneIn(2) ? 0 : random.oneIn(2) ? random.below(1 << 16) : random.u32(),
  });
  const payload = random.bytes(random.oneIn(2) ? 0 : random.length(20_000));
  const length = random.oneIn(20) ? random.u32() : payload.length;
  new DataView(header.buffer).setUint32(24, length, true);
  return payload.length === 0 ? [header] : [header, payload];
}

Deno.test("a socket device stands hostile drivers, and hosts that come and go", async () => {
  const directory = await Deno.makeTempDir({ prefix: "vsock" });
  const uds = `${directory}/v.sock`;
  using listeners = new DisposableStack();
  const open = [51, 52, 53].map((port) => listeners.use(new HostListener(`${uds}_${port}`)));
  const peers = new Set<HostPeer>();
  // The ports of the host's clients are the next from 2^30 on.
  const ports = [51, 52, 53, 54, ...Array.from({ length: 12 }, (_, i) => 2 ** 30 + i)];
  const hostEvent = (random: Random) => {
    for (const listener of open) {
      for (let peer = listener.accept(); peer !== undefined; peer = listener.accept()) {
        peers.add(peer);
      }
    }
    if (random.oneIn(2) && peers.size < 40) {
      const line = random.oneIn(8)
        ? random.bytes(random.below(50))
        : `CONNECT ${random.below(8)}\n`;
      const peer = HostPeer.connect(uds);
      peer.send(line);
      peers.add(peer);
    }
    for (const peer of peers) {
      if (random.oneIn(2)) peer.read(random.length(50_000));
      if (random.oneIn(2)) peer.send(random.bytes(random.length(5000)));
      if (random.oneIn(10)) peer.finish();
      if (random.oneIn(10)) peer.refuse();
      if (!random.oneIn(peers.size > 60 ? 2 : 10)) continue;
      peer.close();
      peers.delete(peer);
    }
  };
  try {
    const report = await fuzzDevice({
      module: vsock,
      options: { uds, cid: 3, connections: 20 },
      neighbour: { uds: `${directory}/neighbour.sock`, cid: 4 },
      requestGenerator: (random) => {
        const kind = random.below(10);
        if (kind === 0) return { queue: 2, writable: [random.length(64)] };
        if (kind < 4) return { queue: 0, writable: [44, 1 + random.length(5000)] };
        return { queue: 1, readable: anyPacket(random, ports) };
      },
      hostEvent: (random, rig) => {
        hostEvent(random);
        if (random.oneIn(20)) rig.command("connections");
        if (random.oneIn(20)) {
          rig.command("limits", {
            "rx-bandwidth": random.oneIn(2) ? null : 1 + random.below(1e6),
            "tx-packets": random.oneIn(2) ? null : 1 + random.below(1e4),
          });
        }
      },
    });
    assert(report.starts > 0);
  } finally {
    for (const peer of peers) peer.close();
    listeners.dispose();
    await Deno.remove(directory, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { forEachLayout } from "../testing/driver.ts";
import { BUFFER_SIZE, BUSY_BUFFER_SIZE, BUSY_CONNECTIONS } from "./device.ts";
import { joined, VsockRig } from "./testing/vsock_rig.ts";

const MIB = 1 << 20;

/** Numbers that follow one another without a pattern that a lost or doubled block would fit. */
function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(length / 4);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

forEachLayout((layout) => {
  Deno.test(`100 MiB go each way at once and arrive as they were, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    using listener = rig.listen(52);
    const [socket, peer] = rig.fromGuest(listener, 52);
    const block = noise(MIB, 1);
    const other = noise(MIB, 2);
    const blocks = 100;
    const atHost = createHash("sha256");
    const atGuest = createHash("sha256");
    const expectedAtHost = createHash("sha256");
    const expectedAtGuest = createHash("sha256");
    let hostBytes = 0;
    let guestBytes = 0;
    peer.onData = (bytes) => {
      hostBytes += bytes.length;
      atHost.update(bytes);
    };
    socket.onData = (bytes) => {
      guestBytes += bytes.length;
      atGuest.update(bytes);
    };
    for (let i = 0; i < blocks; i++) {
      socket.send(block);
      peer.send(other);
      expectedAtHost.update(block);
      expectedAtGuest.update(other);
    }
    rig.run(() => hostBytes === blocks * MIB && guestBytes === blocks * MIB, 60_000);
    assert.equal(atHost.digest("hex"), expectedAtHost.digest("hex"));
    assert.equal(atGuest.digest("hex"), expectedAtGuest.digest("hex"));
    assert.equal(rig.metric("tx_bytes"), blocks * MIB);
    assert.equal(rig.metric("rx_bytes"), blocks * MIB);
  });

  Deno.test(`64 connections at once keep their data apart, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    using listener = rig.listen(52);
    const ends = Array.from({ length: 64 }, (_, i) => {
      const [socket, peer] = i % 2 === 0 ? rig.fromGuest(listener, 52) : rig.fromHost(1000 + i);
      const came: Uint8Array[] = [];
      socket.onData = (bytes) => came.push(bytes.slice());
      return { socket, peer, came, up: noise(65_536, i + 1), down: noise(98_304, i + 1000) };
    });
    for (let at = 0; at < 98_304; at += 8192) {
      for (const { socket, peer, up, down } of ends) {
        if (at < up.length) socket.send(up.subarray(at, at + 8192));
        peer.send(down.subarray(at, at + 8192));
      }
      rig.step();
    }
    for (const { socket, peer } of ends) {
      socket.shutdown(2);
      peer.finish();
    }
    rig.run(() => ends.every(({ socket, peer }) => peer.ended && socket.state === "closed"));
    for (const { peer, came, up, down } of ends) {
      assert.equal(digest(joined(peer.inbox)), digest(up));
      assert.equal(digest(joined(came)), digest(down));
    }
    rig.run(() => rig.metric("connections") === 0);
  });
});

Deno.test("packets and receive buffers in many odd pieces arrive as they were", async () => {
  await using rig = VsockRig.start({
    guest: { bufferPieces: [7, 40, 1, 100, 13], buffers: 40, largest: 777 },
  });
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  const came: Uint8Array[] = [];
  socket.onData = (bytes) => came.push(bytes.slice());
  const up = noise(200_000, 5);
  const down = noise(100_000, 6);
  socket.send(up);
  peer.send(down);
  socket.shutdown(2);
  peer.finish();
  rig.run(() => peer.ended && socket.state === "closed");
  assert.equal(digest(joined(peer.inbox)), digest(up));
  assert.equal(digest(joined(came)), digest(down));
});

Deno.test("a host that does not read stops the guest, and what waits is bounded", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52, false);
  const total = 8 * MIB;
  const data = noise(total, 3);
  socket.send(data);
  rig.runFor(100);
  const taken = rig.metric("tx_bytes");
  assert(taken < 1.5 * MIB, `${taken} bytes were taken from the guest`);
  assert.equal(socket.credit, 0);
  const [{ stored }] = rig.rig.command("connections") as { stored: number }[];
  assert(stored > 0 && stored <= BUFFER_SIZE, `${stored} bytes are stored`);
  // Others are not held up by it.
  const [other, otherPeer] = rig.fromGuest(listener, 52);
  other.send(new Uint8Array([42]));
  rig.run(() => otherPeer.inbox.length > 0);
  rig.peers.add(peer);
  let read = 0;
  const hash = createHash("sha256");
  peer.onData = (bytes) => {
    read += bytes.length;
    hash.update(bytes);
  };
  rig.run(() => read === total);
  assert.equal(hash.digest("hex"), digest(data));
});

Deno.test("a guest that sends much gets more credit, and what waits for the host is bounded by it", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  assert.equal(socket.credit, BUFFER_SIZE);
  const data = noise(16 * MIB, 4);
  let read = 0;
  const hash = createHash("sha256");
  peer.onData = (bytes) => {
    read += bytes.length;
    hash.update(bytes);
  };
  socket.send(data.subarray(0, 4 * MIB));
  rig.run(() => read === 4 * MIB);
  rig.run(() => socket.credit > BUSY_BUFFER_SIZE / 2);

  rig.peers.delete(peer);
  socket.send(data.subarray(4 * MIB));
  rig.runFor(100);
  assert.equal(socket.credit, 0);
  const [{ stored }] = rig.rig.command("connections") as { stored: number }[];
  assert(stored > BUFFER_SIZE && stored <= BUSY_BUFFER_SIZE, `${stored} bytes are stored`);

  rig.peers.add(peer);
  rig.run(() => read === data.length);
  assert.equal(hash.digest("hex"), digest(data));
});

for (const bufAlloc of [4096, BUFFER_SIZE]) {
  Deno.test(`a guest that never uses more credit than its own ${bufAlloc} bytes does not stand still`, async () => {
    await using rig = VsockRig.start({ guest: { bufAlloc, isModest: true } });
    using listener = rig.listen(52);
    const [socket, peer] = rig.fromGuest(listener, 52);
    const data = noise(4 * MIB, 6);
    let read = 0;
    peer.onData = (bytes) => read += bytes.length;
    socket.send(data);
    rig.run(() => read === data.length);
  });
}

Deno.test("few connections have more credit at a time, and one that ends leaves its place", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const block = noise(2 * MIB, 5);
  const isBusy = () => {
    const [socket, peer] = rig.fromGuest(listener, 52);
    let read = 0;
    peer.onData = (bytes) => read += bytes.length;
    socket.send(block);
    rig.run(() => read === block.length);
    // More than that never comes back to one that has the usual credit.
    rig.runFor(5);
    return { socket, busy: socket.credit > BUFFER_SIZE };
  };
  const sockets = Array.from({ length: BUSY_CONNECTIONS }, isBusy);
  assert(sockets.every(({ busy }) => busy));
  const other = isBusy();
  assert(!other.busy);
  other.socket.reset();
  sockets[3].socket.reset();
  rig.run(() => rig.metric("connections") === BUSY_CONNECTIONS - 1);
  assert(isBusy().busy);
  assert(!isBusy().busy);
});

Deno.test("a guest that does not read gets no more than it has room for, and is asked for credit once", async () => {
  await using rig = VsockRig.start({ guest: { bufAlloc: 10_000 } });
  const [socket, peer] = rig.fromHost(80);
  socket.hold = true;
  const data = noise(100_000, 4);
  peer.send(data);
  rig.run(() => socket.unread === 10_000);
  rig.runFor(50);
  assert.equal(socket.unread, 10_000);
  assert.equal(socket.asked, 1);
  const got: Uint8Array[] = [];
  rig.run(() => {
    if (socket.unread > 0) got.push(socket.read());
    return got.reduce((sum, { length }) => sum + length, 0) === data.length;
  });
  assert.equal(digest(joined(got)), digest(data));
});

Deno.test("without receive buffers everything waits for the guest to offer some", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  const got: Uint8Array[] = [];
  socket.onData = (bytes) => got.push(bytes.slice());
  rig.guest.buffers = 0;
  const data = noise(2 * MIB, 8);
  peer.send(data);
  rig.runFor(50);
  const waiting = rig.metric("rx_bytes");
  assert(waiting <= 64 * 4096, `${waiting} bytes came in 64 buffers`);
  const before = rig.metric("rx_no_buffers");
  rig.runFor(50);
  assert.equal(rig.metric("rx_no_buffers"), before, "it does not look for them again and again");
  rig.guest.buffers = 3;
  rig.run(() => got.reduce((sum, { length }) => sum + length, 0) === data.length);
  assert.equal(digest(joined(got)), digest(data));
});

Deno.test("a connection that sends without pause leaves others their turn", async () => {
  await using rig = VsockRig.start({ guest: { buffers: 16 } });
  const [loud, loudPeer] = rig.fromHost(80);
  const [quiet, quietPeer] = rig.fromHost(81);
  let loudBytes = 0;
  let quietAt = -1;
  loud.onData = (bytes) => loudBytes += bytes.length;
  quiet.onData = () => quietAt = loudBytes;
  loudPeer.send(new Uint8Array(64 * MIB));
  rig.run(() => loudBytes > 4 * MIB);
  const before = loudBytes;
  quietPeer.send("me too");
  rig.run(() => quietAt >= 0);
  assert(quietAt - before < MIB, `${quietAt - before} bytes of the other connection came before`);
});

for (
  const [name, option, direction] of [
    ["bytes to the guest", "rx-bandwidth", "down"],
    ["bytes from the guest", "tx-bandwidth", "up"],
    ["packets to the guest", "rx-packets", "down"],
    ["packets from the guest", "tx-packets", "up"],
  ] as const
) {
  Deno.test(`a limit on ${name} holds within 5 percent, without a poll`, async () => {
    const unit = option.endsWith("bandwidth") ? "bytes" : "packets";
    const limit = unit === "bytes" ? 8 * MIB : 2000;
    // What may be saved up makes good for whatever keeps this process from running.
    const device = { [option]: limit, [`${option}-burst`]: limit };
    await using rig = VsockRig.start({ device, guest: { largest: 4096 } });
    using listener = rig.listen(52);
    const [socket, peer] = rig.fromGuest(listener, 52);
    const data = new Uint8Array(64 * MIB);
    if (direction === "up") socket.send(data);
    else peer.send(data);
    const counter = `${direction === "up" ? "tx" : "rx"}_${unit}`;
    const began = performance.now();
    let turns = 0;
    rig.run(() => {
      turns++;
      return rig.metric(counter) >= 2.2 * limit;
    }, 10_000);
    const count = rig.metric(counter) - limit;
    const rate = count / (performance.now() - began) * 1000;
    const off = rate / limit - 1;
    assert(Math.abs(off) < 0.05, `${(off * 100).toFixed(1)} percent off the limit`);
    assert(turns < 3 * (unit === "bytes" ? count / 4096 : count) + 1000, `${turns} turns`);
    assert(rig.metric(counter.replace(unit, "throttled")) > 0);
  });
}

Deno.test("limits are changed while data flows, and taken away", async () => {
  await using rig = VsockRig.start({ device: { "rx-bandwidth": 1000, "tx-bandwidth": 1000 } });
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  let down = 0;
  let up = 0;
  socket.onData = (bytes) => down += bytes.length;
  peer.onData = (bytes) => up += bytes.length;
  socket.send(new Uint8Array(MIB));
  peer.send(new Uint8Array(MIB));
  rig.runFor(50);
  assert(up < MIB && down < MIB);
  const shown = rig.rig.command("limits", { "rx-bandwidth": null, "tx-bandwidth": null });
  const limits = shown as Record<string, unknown>;
  assert.deepEqual([limits["rx-bandwidth"], limits["tx-packets"]], [null, null]);
  rig.run(() => up === MIB && down === MIB, 2000);
  assert.throws(() => rig.rig.command("limits", { "tx-bandwith": 1 }), /tx-bandwith: there is no/);
});

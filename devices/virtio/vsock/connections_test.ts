import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { HostPeer } from "./testing/host_peer.ts";
import type { GuestSocket } from "./testing/guest_stack.ts";
import { joined, VsockRig } from "./testing/vsock_rig.ts";

const text = (pieces: readonly Uint8Array[]) => new TextDecoder().decode(joined(pieces));
const bytes = (text: string) => new TextEncoder().encode(text);

/** Keeps what a socket of the guest's receives. */
function keep(socket: GuestSocket): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  socket.onData = (bytes) => pieces.push(bytes.slice());
  return pieces;
}

forEachLayout((layout) => {
  Deno.test(`a guest's connection reaches the socket of its port, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    using listener = rig.listen(52);
    const [socket, peer] = rig.fromGuest(listener, 52);
    const came = keep(socket);
    socket.send(bytes("hello"));
    peer.send("world");
    rig.run(() => peer.inbox.length > 0 && came.length > 0);
    assert.equal(peer.text(), "hello");
    assert.equal(text(came), "world");
    assert.equal(rig.metric("connections"), 1);
    assert.equal(rig.metric("connections_from_guest"), 1);
    assert.equal(rig.metric("tx_bytes"), 5);
    assert.equal(rig.metric("rx_bytes"), 5);
  });

  Deno.test(`a client of the host's reaches a port of the guest's, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    const [socket, peer] = rig.fromHost(1234);
    assert(socket.peerPort >= 2 ** 30 && socket.peerPort < 2 ** 31);
    const came = keep(socket);
    peer.send("ping");
    socket.send(bytes("pong"));
    rig.run(() => peer.inbox.length > 0 && came.length > 0);
    assert.equal(peer.text(), "pong");
    assert.equal(text(came), "ping");
    assert.equal(rig.metric("connections_from_host"), 1);
  });
});

Deno.test("what a client says behind its line is the guest's", async () => {
  await using rig = VsockRig.start();
  let came: Uint8Array[] = [];
  rig.guest.listen(7, (socket) => came = keep(socket));
  const peer = rig.adopt(HostPeer.connect(rig.uds));
  peer.send("CONN");
  rig.runFor(20);
  peer.send("ECT 7\nearly");
  rig.run(() => text(came) === "early" && peer.inbox.length > 0);
  assert.match(peer.text(), /^OK \d+\n$/);
});

Deno.test("each client has a port of its own", async () => {
  await using rig = VsockRig.start();
  const [first] = rig.fromHost(7);
  const [second] = rig.fromHost(7);
  const [third] = rig.fromHost(8);
  assert.deepEqual([second.peerPort, third.peerPort], [first.peerPort + 1, first.peerPort + 2]);
});

Deno.test("a guest is refused where nobody on the host listens", async () => {
  await using rig = VsockRig.start();
  const socket = rig.guest.connect(99);
  rig.run(() => socket.state === "closed");
  assert(socket.wasReset);
  assert.equal(rig.metric("connections_refused"), 1);
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("a client is closed where nobody in the guest listens", async () => {
  await using rig = VsockRig.start();
  const peer = rig.adopt(HostPeer.request(rig.uds, 99));
  rig.run(() => peer.ended);
  assert.equal(peer.text(), "");
  rig.run(() => rig.metric("connections") === 0);
});

for (
  const line of [
    "CONNECT\n",
    "CONNECT x\n",
    "CONNECT 1 2\n",
    "CONNECT -1\n",
    "CONNECT 4294967295\n",
    "CONNECT 4294967296\n",
    "GET / HTTP/1.1\n",
    "\n",
    `CONNECT ${" ".repeat(23)}1`,
    "x".repeat(1000),
  ]
) {
  Deno.test(`a client that says ${JSON.stringify(line).slice(0, 40)} is closed`, async () => {
    await using rig = VsockRig.start();
    rig.guest.listen(1, () => {});
    const peer = rig.adopt(HostPeer.connect(rig.uds));
    peer.send(line);
    rig.run(() => peer.ended || peer.readError !== undefined);
    rig.run(() => rig.metric("clients_refused") === 1);
    assert.equal(rig.metric("connections"), 0);
    assert.equal(rig.guest.stray.length, 0);
  });
}

for (const line of ["connect 5\n", "CONNECT 5\r\n", "  Connect   0005  \n"]) {
  Deno.test(`a client may say ${JSON.stringify(line)}`, async () => {
    await using rig = VsockRig.start();
    rig.guest.listen(5, () => {});
    const peer = rig.adopt(HostPeer.connect(rig.uds));
    peer.send(line);
    rig.run(() => peer.inbox.length > 0);
    assert.match(peer.text(), /^OK/);
  });
}

Deno.test("a client that leaves before its line ends leaves nothing behind", async () => {
  await using rig = VsockRig.start();
  const peer = rig.adopt(HostPeer.connect(rig.uds));
  peer.send("CONNECT 5");
  rig.run(() => rig.metric("connections") === 1);
  peer.close();
  rig.peers.delete(peer);
  rig.run(() => rig.metric("connections") === 0);
});

Deno.test("the guest can close its half first, and still be answered", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  const came = keep(socket);
  socket.send(bytes("question"));
  socket.shutdown(2);
  rig.run(() => peer.ended);
  assert.equal(peer.text(), "question");
  assert.equal(socket.state, "established");
  peer.send("answer");
  peer.finish();
  rig.run(() => socket.state === "closed");
  assert.equal(text(came), "answer");
  rig.run(() => rig.metric("connections") === 0);
});

Deno.test("a client can close its half first, and still be answered", async () => {
  await using rig = VsockRig.start();
  const [socket, peer] = rig.fromHost(80);
  const came = keep(socket);
  peer.send("question");
  peer.finish();
  rig.run(() => (socket.peerShutdown & 2) !== 0);
  assert.equal(text(came), "question");
  assert.equal(socket.peerShutdown, 2, "it can still read");
  socket.send(bytes("answer"));
  socket.shutdown(3);
  rig.run(() => peer.ended && socket.state === "closed");
  assert.equal(peer.text(), "answer");
  assert.equal(peer.readError, undefined);
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("a client that closes its half and reads slowly gets a large answer whole", async () => {
  await using rig = VsockRig.start();
  const [socket, peer] = rig.fromHost(80);
  rig.peers.delete(peer);
  peer.finish();
  rig.run(() => (socket.peerShutdown & 2) !== 0);
  const answer = new Uint8Array(3 << 20).map((_, i) => i * 7);
  socket.send(answer);
  socket.shutdown(3);
  let turns = 0;
  rig.run(() => {
    turns++;
    peer.read(50_000);
    return peer.ended;
  }, 20_000);
  assert(Buffer.from(answer).equals(joined(peer.inbox)));
  // A wait that ends at once, again and again, would take many thousands of turns.
  assert(turns < 2000, `it took ${turns} turns of the loop`);
});

Deno.test("when both ends close at once, both learn that it's over", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  socket.shutdown(3);
  peer.close();
  rig.peers.delete(peer);
  rig.run(() => socket.state === "closed" && rig.metric("connections") === 0);
});

Deno.test("a guest that stops to read refuses what the host writes, and can go on to write", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  socket.shutdown(1);
  rig.run(() => {
    peer.send("more");
    return peer.writeError !== undefined;
  });
  assert.equal(peer.writeError, "EPIPE");
  socket.send(bytes("still here"));
  rig.run(() => peer.inbox.length > 0);
  assert.equal(peer.text(), "still here");
});

Deno.test("a program on the host that goes away is noticed, and what it said last is heard", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  const came = keep(socket);
  peer.send("last words");
  peer.close();
  rig.peers.delete(peer);
  rig.run(() => socket.state === "closed");
  assert.equal(text(came), "last words");
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("a program that has said all and goes away later is noticed then", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52);
  peer.finish();
  rig.run(() => socket.peerShutdown === 2);
  rig.runFor(20);
  assert.equal(socket.peerShutdown, 2);
  peer.close();
  rig.peers.delete(peer);
  rig.run(() => socket.state === "closed");
});

Deno.test("a program that dies with something unread resets the guest's connection", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52, false);
  socket.send(bytes("never read"));
  rig.run(() => rig.metric("tx_bytes") === 10);
  peer.close();
  rig.run(() => socket.state === "closed");
  assert(socket.wasReset);
  assert.equal(rig.metric("connections"), 0);
});

Deno.test("a program that only refuses to read can still be heard", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52, false);
  const came = keep(socket);
  peer.refuse();
  rig.run(() => {
    if (socket.peerShutdown === 0) socket.send(bytes("x"));
    return socket.peerShutdown !== 0;
  });
  assert.equal(socket.peerShutdown, 1);
  peer.send("listen");
  rig.run(() => text(came) === "listen");
});

Deno.test("a guest's reset ends the host's stream at once", async () => {
  await using rig = VsockRig.start();
  const [socket, peer] = rig.fromHost(80);
  socket.reset();
  rig.run(() => peer.ended);
  assert.equal(rig.metric("connections"), 0);
  assert.equal(rig.guest.stray.length, 0, "a reset is not answered");
});

Deno.test("what a guest sent before it closed and forgot is the host's, however slowly it reads", async () => {
  await using rig = VsockRig.start();
  using listener = rig.listen(52);
  const [socket, peer] = rig.fromGuest(listener, 52, false);
  const data = new Uint8Array(300_000).map((_, i) => i * 11);
  socket.send(data);
  socket.shutdown(3);
  rig.run(() => socket.queued === 0 && rig.metric("tx_bytes") === data.length);
  rig.runFor(20);
  assert.equal(socket.state, "established", "it's not over before the host has it all");
  socket.reset();
  rig.guest.step();
  assert.deepEqual(rig.rig.command("connections"), [], "the guest's port is free again");
  assert.equal(rig.metric("connections"), 1, "and still it counts");
  rig.peers.add(peer);
  rig.run(() => peer.ended);
  assert(Buffer.from(data).equals(joined(peer.inbox)));
  rig.run(() => rig.metric("connections") === 0);
});

Deno.test("beyond the limit, guest and clients are turned away, and may come when others have gone", async () => {
  await using rig = VsockRig.start({ device: { connections: 2 } });
  using listener = rig.listen(52);
  const [first] = rig.fromGuest(listener, 52);
  const [second, peer] = rig.fromHost(80);
  const third = rig.guest.connect(52);
  rig.run(() => third.state === "closed");
  const refused = rig.adopt(HostPeer.request(rig.uds, 80));
  rig.run(() => refused.ended || refused.readError !== undefined);
  assert.equal(rig.metric("connections_refused"), 1);
  assert.equal(rig.metric("clients_refused"), 1);
  assert.deepEqual([first.state, second.state, peer.ended], ["established", "established", false]);
  second.reset();
  rig.run(() => peer.ended && rig.metric("connections") === 1);
  rig.fromHost(80);
});

Deno.test("connections are listed with their ports", async () => {
  await using rig = VsockRig.start();
  const [socket] = rig.fromHost(80);
  assert.deepEqual(rig.rig.command("connections"), [
    { guestPort: 80, hostPort: socket.peerPort, state: "established", stored: 0 },
  ]);
  assert.throws(() => rig.rig.command("conections"), /"limits" and "connections"/);
});

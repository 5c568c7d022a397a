import assert from "node:assert/strict";
import { type DeviceState, DeviceStateError } from "../../state.ts";
import { forEachLayout } from "../testing/driver.ts";
import { GuestStack } from "./testing/guest_stack.ts";
import { HostPeer } from "./testing/host_peer.ts";
import { VsockRig } from "./testing/vsock_rig.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("the configuration space is the context id in 64 bits, and the driver can't write to it", async () => {
  await using rig = VsockRig.start({ device: { cid: 0xffff_fffe } });
  rig.rig.writeConfig(0, new Uint8Array([1, 2, 3, 4]));
  const expected = [0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0];
  assert.deepEqual([...rig.rig.config.bytes], expected);
  assert.equal(rig.rig.description.deviceType, 19);
  assert.equal(rig.rig.description.queueSizes.length, 3);
});

forEachLayout((layout) => {
  Deno.test(`a driver's reset closes all streams, and a new driver finds the device as new, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    using listener = rig.listen(52);
    const [, fromGuest] = rig.fromGuest(listener, 52);
    const [, fromHost] = rig.fromHost(80);
    const asking = rig.adopt(HostPeer.connect(rig.uds));
    asking.send("CONN");
    rig.run(() => rig.metric("connections") === 3);
    rig.rig.reset();
    assert.equal(rig.metric("connections"), 0);
    for (const peer of [fromGuest, fromHost, asking]) {
      peer.read();
      assert(peer.ended || peer.readError !== undefined);
    }
    rig.start();
    const [socket, peer] = rig.fromGuest(listener, 52);
    socket.send(bytes("again"));
    rig.run(() => peer.inbox.length > 0);
    assert.equal(peer.text(), "again");
    rig.fromHost(80);
  });

  Deno.test(`connections outlive a pause, over ${layout.name}`, async () => {
    await using rig = VsockRig.start({ start: layout });
    const [socket, peer] = rig.fromHost(80);
    let came = 0;
    socket.onData = (bytes) => came += bytes.length;
    for (let i = 0; i < 5; i++) {
      const before = came;
      peer.send(new Uint8Array(300_000));
      socket.send(new Uint8Array(300_000));
      rig.step();
      rig.rig.stop();
      for (let turn = 0; turn < 5; turn++) {
        rig.rig.loop.turn(1);
        peer.read();
      }
      rig.rig.resume();
      rig.run(() => came === before + 300_000 && socket.queued === 0);
    }
    let read = 0;
    peer.onData = (bytes) => read += bytes.length;
    for (const piece of peer.inbox) read += piece.length;
    rig.run(() => read === 5 * 300_000);
  });
});

Deno.test("a client that comes while the machine is paused is served afterwards", async () => {
  await using rig = VsockRig.start();
  rig.guest.listen(80, () => {});
  rig.rig.stop();
  const peer = rig.adopt(HostPeer.request(rig.uds, 80));
  for (let i = 0; i < 3; i++) rig.rig.loop.turn(5);
  peer.read();
  assert.equal(peer.ended, false);
  rig.rig.resume();
  rig.run(() => peer.inbox.length > 0);
  assert.match(peer.text(), /^OK/);
});

Deno.test("a client that comes while there is no driver is closed", async () => {
  await using rig = new VsockRig();
  const early = rig.adopt(HostPeer.request(rig.uds, 80));
  rig.rig.run(() => {
    early.read();
    return early.ended || early.readError !== undefined;
  });
  rig.start();
  rig.fromHost(80);
  rig.rig.reset();
  const late = rig.adopt(HostPeer.request(rig.uds, 80));
  rig.rig.run(() => {
    late.read();
    return late.ended || late.readError !== undefined;
  });
});

forEachLayout((layout) => {
  Deno.test(`a driver that goes on from a snapshot is told that its connections are gone, over ${layout.name}`, async () => {
    await using first = VsockRig.start({ start: layout, device: { cid: 9 }, guest: { cid: 9 } });
    const [socket] = first.fromHost(80);
    const token = first.rig.offer(2, { writable: [4] });
    const saved = first.rig.save();
    assert.deepEqual(saved.state, { version: 1, cid: 9 });

    await using second = new VsockRig({ saved, device: { cid: 5 } });
    second.rig.resume();
    assert.deepEqual([...second.rig.config.bytes], [9, 0, 0, 0, 0, 0, 0, 0]);
    second.rig.run(() => second.rig.collect(2).length > 0);
    const [event] = second.rig.completed[2];
    assert.equal(event.token, token);
    assert.deepEqual([...event.bytes], [0, 0, 0, 0]);
    // What it sends on a connection of before is answered by a reset.
    const guest = new GuestStack(second.rig, { cid: 9 });
    guest.sockets.add(socket);
    guest.sendPacket({
      sourcePort: 80,
      destinationPort: socket.peerPort,
      op: 5,
      payload: bytes("x"),
    });
    second.rig.run(() => {
      guest.step();
      return socket.wasReset;
    });
  });
});

Deno.test("the event waits until the driver has a buffer for it, and comes once", async () => {
  await using first = VsockRig.start();
  const saved = first.rig.save();
  await using second = new VsockRig({ saved });
  second.rig.resume();
  second.runFor(5);
  second.rig.offer(2, { writable: [4] });
  second.rig.run(() => second.rig.collect(2).length === 1);
  second.rig.offer(2, { writable: [4] });
  second.runFor(5);
  assert.equal(second.rig.collect(2).length, 1);
});

Deno.test("saved state that can't be is refused", async () => {
  await using rig = new VsockRig();
  const states: DeviceState[] = [
    { version: 2, cid: 3 },
    { version: 1 },
    { version: 1, cid: 2 },
    { version: 1, cid: 3, more: 1 },
  ];
  for (const state of states) {
    assert.throws(() => rig.rig.device.restore?.(state), DeviceStateError);
  }
});

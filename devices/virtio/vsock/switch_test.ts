import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { EAGAIN, EPIPE, IoVectors } from "../../../src/ffi/mod.ts";
import { Metrics } from "../../metrics.ts";
import { DescriptorChain } from "../queue/mod.ts";
import { BusyStores, ByteStores } from "./byte_store.ts";
import { VSOCK_METRICS } from "./counters.ts";
import { Handshake } from "./handshake.ts";
import type { HostStream, StreamListener } from "./host.ts";
import { PacketHeader } from "./packet.ts";
import { Switch } from "./switch.ts";
import { parsePacket, wireHeader, type WirePacket } from "./testing/wire.ts";

/** A stream that does what the test says. */
class FakeStream implements HostStream {
  listener: StreamListener = { readable() {}, writable() {}, hungUp() {} };
  /** What reads give: text, `""` for the end, or an errno. */
  readonly reads: (string | number)[] = [];
  /** How many bytes writes take; negative: an errno. */
  room = Infinity;
  written = 0;
  readonly calls: string[] = [];
  closed = false;

  readv(_: IoVectors, __: number): number {
    const next = this.reads.shift() ?? -EAGAIN;
    return typeof next === "string" ? next.length : next;
  }

  writev(vectors: IoVectors, count: number): number {
    if (this.room < 0) return this.room;
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += vectors.lengthOf(i);
    bytes = Math.min(bytes, this.room);
    if (bytes === 0) return -EAGAIN;
    this.room -= bytes;
    this.written += bytes;
    return bytes;
  }

  confirm(port: number): boolean {
    this.calls.push(`confirm ${port}`);
    return true;
  }

  watchWritable(wanted: boolean): void {
    this.calls.push(wanted ? "watch" : "ignore");
  }

  shutdownRead(): void {
    this.calls.push("shutdown read");
  }

  shutdownWrite(): void {
    this.calls.push("shutdown write");
  }

  close(): void {
    this.closed = true;
  }
}

/** A switch without device, queues or sockets, whose time the test tells. */
class Rig {
  now = 1000;
  readonly deadlines: number[] = [];
  readonly memory = GuestMemory.forTest(1 << 20);
  readonly metrics = new Metrics(Metrics.allocate(VSOCK_METRICS));
  readonly streams: FakeStream[] = [];
  readonly exchange: Switch;
  readonly #chain = new DescriptorChain(4);
  readonly #header = new PacketHeader();

  constructor(limit = 10) {
    this.exchange = new Switch({
      memory: this.memory,
      metrics: this.metrics,
      stores: new ByteStores(1000, 1),
      busy: new BusyStores(4000, 1, 1),
      vectors: new IoVectors(4),
      limit,
      cid: 3,
      now: () => this.now,
      running: () => true,
      serve: () => {},
      expectAt: (deadline) => this.deadlines.push(deadline),
    }, () => ({
      connect: () => {
        const stream = new FakeStream();
        this.streams.push(stream);
        return stream;
      },
      listen: () => {},
      close: () => {},
    }));
  }

  /** A packet from the guest. */
  send(packet: WirePacket): void {
    const header = wireHeader({ bufAlloc: 1000, ...packet });
    const payload = packet.payload ?? new Uint8Array();
    this.memory.write(0x1000, header);
    this.memory.write(0x2000, payload);
    const chain = this.#chain;
    chain.addresses.set([0x1000, 0x2000]);
    chain.lengths.set([44, payload.length]);
    chain.count = chain.readableCount = 2;
    chain.readableBytes = 44 + payload.length;
    assert(this.#header.read(this.memory, chain));
    this.exchange.packet(this.#header, chain);
  }

  /** The control packets that wait for the guest, by operation. */
  take(): Required<WirePacket>[] {
    const packets = [];
    const chain = this.#chain;
    chain.addresses[0] = 0x3000;
    chain.lengths[0] = 44;
    chain.count = 1;
    chain.readableCount = 0;
    while (this.exchange.hasControl) {
      this.exchange.nextControl(this.#header);
      this.#header.write(this.memory, chain);
      packets.push(parsePacket(this.memory.readBytes(0x3000, 44)));
    }
    return packets;
  }

  /** The operations of those packets. */
  ops(): number[] {
    return this.take().map(({ op }) => op);
  }

  /** An established connection of the guest's. */
  connect(port = 1): FakeStream {
    this.send({ ...FROM, sourcePort: port, op: 1 });
    assert.deepEqual(this.ops(), [2]);
    return this.streams[this.streams.length - 1];
  }

  count(name: typeof VSOCK_METRICS[number]): number {
    return this.metrics.read()[name];
  }
}

const FROM = { sourcePort: 1, destinationPort: 52 };

Deno.test("a handshake that is not finished in 30 seconds is ended", () => {
  const rig = new Rig();
  const stream = new FakeStream();
  rig.exchange.accepted(stream);
  assert.deepEqual(rig.deadlines, [31_000]);
  assert.equal(rig.exchange.expire(30_999), 31_000);
  assert.equal(stream.closed, false);
  assert.equal(rig.exchange.expire(31_000), Infinity);
  assert.equal(stream.closed, true);
  assert.equal(rig.exchange.count, 0);
  assert.equal(rig.count("clients_refused"), 1);
});

Deno.test("a request that the guest does not answer in two seconds is taken back", () => {
  const rig = new Rig();
  const stream = new FakeStream();
  rig.exchange.accepted(stream);
  assert(stream.listener instanceof Handshake);
  rig.exchange.wants(stream.listener, 80);
  const [request] = rig.take();
  assert.deepEqual([request.op, request.sourcePort, request.destinationPort], [1, 2 ** 30, 80]);
  assert.equal(rig.exchange.expire(2999), 3000);
  rig.exchange.expire(3000);
  assert.equal(stream.closed, true);
  assert.deepEqual(rig.ops(), [3]);
  assert.equal(rig.exchange.count, 0);
});

Deno.test("while time stands still for the guest, nothing is too late", () => {
  const rig = new Rig();
  const stream = new FakeStream();
  rig.exchange.accepted(stream);
  rig.exchange.postpone(50_000);
  assert.equal(rig.exchange.expire(80_000), 81_000);
  assert.equal(stream.closed, false);
});

Deno.test("a connection that both sides have closed is reset when the guest does not do that in two seconds", () => {
  const rig = new Rig();
  const stream = rig.connect();
  stream.listener.hungUp();
  assert.deepEqual(rig.take().map(({ op, flags }) => [op, flags]), [[4, 1]]);
  rig.send({ ...FROM, op: 4, flags: 1 });
  assert.deepEqual(rig.take().map(({ op, flags }) => [op, flags]), [[4, 3]]);
  assert.equal(stream.closed, true);
  assert.equal(rig.exchange.count, 1);
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(3) });
  assert.deepEqual(rig.ops(), [], "data that was on its way is no fault");
  rig.exchange.expire(3000);
  assert.deepEqual(rig.ops(), [3]);
  assert.equal(rig.exchange.count, 0);
});

Deno.test("when both sides close at once, the guest gets the reset that it waits for", () => {
  const rig = new Rig();
  const stream = rig.connect();
  rig.send({ ...FROM, op: 4, flags: 1 });
  stream.listener.hungUp();
  assert.deepEqual(rig.take().map(({ op, flags }) => [op, flags]), [[4, 3]]);
  rig.send({ ...FROM, op: 4, flags: 3 });
  assert.deepEqual(rig.ops(), [3]);
  assert.equal(rig.exchange.count, 0);
});

Deno.test("the guest is told of its credit when half of it came back, not sooner", () => {
  const rig = new Rig();
  const stream = rig.connect();
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(499) });
  assert.deepEqual(rig.ops(), []);
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(1) });
  const [update] = rig.take();
  assert.deepEqual([update.op, update.bufAlloc, update.fwdCnt], [6, 1000, 500]);
  assert.equal(stream.written, 500);
});

Deno.test("a guest that asks for its credit is told at once", () => {
  const rig = new Rig();
  rig.connect();
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(10) });
  rig.send({ ...FROM, op: 7 });
  const [update, ...more] = rig.take();
  assert.deepEqual([update.op, update.fwdCnt, more.length], [6, 10, 0]);
});

Deno.test("what the host has no room for waits, and its end comes after it", () => {
  const rig = new Rig();
  const stream = rig.connect();
  stream.room = 100;
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(300) });
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(200) });
  rig.send({ ...FROM, op: 4, flags: 2 });
  assert.equal(stream.written, 100);
  assert.deepEqual(stream.calls, ["watch"]);
  stream.room = 399;
  stream.listener.writable();
  assert.deepEqual(stream.calls, ["watch"]);
  stream.room = 1000;
  stream.listener.writable();
  assert.equal(stream.written, 500);
  assert.deepEqual(stream.calls, ["watch", "ignore", "shutdown write"]);
});

Deno.test("a write that fails ends what the guest sends, and gives its credit back", () => {
  const rig = new Rig();
  const stream = rig.connect();
  stream.room = -EPIPE;
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(600) });
  const packets = rig.take();
  assert.deepEqual(packets.map(({ op, flags, fwdCnt }) => [op, flags, fwdCnt]), [[4, 1, 600]]);
  rig.send({ ...FROM, op: 5, payload: new Uint8Array(900) });
  assert.deepEqual(rig.ops(), [6], "what it sends all the same is dropped");
  assert.equal(stream.closed, false, "the host may have something to say yet");
});

Deno.test("a stream that fails resets its connection", () => {
  const rig = new Rig();
  const stream = rig.connect();
  stream.reads.push(-5);
  const connection = rig.exchange.nextData();
  assert.equal(connection?.read(new IoVectors(1), 1), 0);
  assert.deepEqual(rig.ops(), [3]);
  assert(stream.closed);
  assert.equal(rig.exchange.count, 0);
});

Deno.test("a guest that was not told of a client yet never hears of it when it leaves", () => {
  const rig = new Rig();
  const stream = new FakeStream();
  rig.exchange.accepted(stream);
  assert(stream.listener instanceof Handshake);
  rig.exchange.wants(stream.listener, 80);
  // The client leaves before the guest was told of it.
  stream.listener.hungUp();
  assert.deepEqual(rig.ops(), []);
  assert.equal(rig.exchange.count, 0);
});

Deno.test("connections with data take turns", () => {
  const rig = new Rig();
  for (const port of [1, 2, 3]) rig.connect(port);
  const order = [];
  for (let i = 0; i < 7; i++) {
    const connection = rig.exchange.nextData();
    order.push(connection?.guestPort);
    connection?.again();
  }
  assert.deepEqual(order, [1, 2, 3, 1, 2, 3, 1]);
});

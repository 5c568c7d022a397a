/**
 * Large packets: the host's kernel carries them from one card to another, whole or cut up.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout, type Layout } from "../testing/driver.ts";
import { DeviceRig, type StartOptions } from "../testing/rig.ts";
import { bit } from "../features.ts";
import { GUEST_OFFLOADS, VIRTIO_NET_F_MRG_RXBUF } from "./features.ts";
import { net } from "./mod.ts";
import {
  ipBytes,
  join,
  largeSegment,
  offerBuffers,
  packets,
  pattern,
  PLAIN_HEADER,
  type Received,
  sum16,
} from "./testing/packets.ts";
import { CAN_MAKE_TAPS, GUEST_MAC, TestTap } from "./testing/taps.ts";
import { HOLD_MS } from "./receiver.ts";

const ignore = !CAN_MAKE_TAPS;
/** Where the payload of a TCP segment begins in a frame. */
const PAYLOAD = 14 + 20 + 20;
const SEGMENT = 1448;

/** Two cards between which the host forwards packets. */
class Pair implements AsyncDisposable {
  readonly fromTap = new TestTap();
  readonly toTap = new TestTap();
  readonly from = DeviceRig.create(net, { tap: this.fromTap.name, mac: GUEST_MAC });
  readonly to = DeviceRig.create(net, { tap: this.toTap.name, mac: GUEST_MAC });

  constructor(options: StartOptions, receive: StartOptions = options) {
    this.fromTap.forward();
    this.toTap.awaitLink();
    this.from.start(options);
    this.to.start(receive);
  }

  /** Sends a payload as one large segment. */
  send(payload: Uint8Array): void {
    const segment = largeSegment(this.fromTap, this.toTap.guestIp, payload, SEGMENT);
    // As a driver has it: the header, and pages of payload.
    const readable = [segment.subarray(0, 100)];
    for (let at = 100; at < segment.length; at += 4096) {
      readable.push(segment.subarray(at, at + 4096));
    }
    this.from.request(1, { readable });
  }

  /** Waits until receiving stops for want of buffers. */
  starve(send: () => void): void {
    const before = this.to.metrics.read().rx_no_buffers;
    send();
    this.to.run(() => this.to.metrics.read().rx_no_buffers > before);
  }

  /** Waits for packets that hold so many bytes of payload. */
  receive(payload: number): Received[] {
    const got: Received[] = [];
    this.to.run(() => {
      got.push(...packets(this.to));
      return got.reduce((sum, { frame }) => sum + frame.length - PAYLOAD, 0) >= payload;
    });
    return got;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.from[Symbol.asyncDispose]();
    await this.to[Symbol.asyncDispose]();
    this.fromTap[Symbol.dispose]();
    this.toTap[Symbol.dispose]();
  }
}

function payloadOf(received: readonly Received[]): Uint8Array {
  return join(...received.map(({ frame }) => frame.subarray(PAYLOAD)));
}

/** All features but these. */
function without(layout: Layout, features: bigint): StartOptions {
  return { ...layout, features: (1n << 64n) - 1n & ~features };
}

forEachLayout((layout) => {
  Deno.test({
    name: `a large segment arrives whole, spread over buffers, over ${layout.name}`,
    ignore,
    async fn() {
      await using pair = new Pair(layout);
      offerBuffers(pair.to, 64, 1536);
      pair.send(pattern(60_000));
      const [packet, ...others] = pair.receive(60_000);
      assert.equal(others.length, 0);
      assert.deepEqual(payloadOf([packet]), pattern(60_000));
      assert.equal(packet.gsoType, 1);
      assert.equal(packet.gsoSize, SEGMENT);
      assert.equal(packet.flags & 1, 1, "its checksum is to be completed");
      assert.equal(packet.numBuffers, Math.ceil((12 + PAYLOAD + 60_000) / 1536));
    },
  });

  Deno.test({
    name: `a large segment waits for the buffers that it lacks, over ${layout.name}`,
    ignore,
    async fn() {
      await using pair = new Pair(layout);
      offerBuffers(pair.to, 10, 1536);
      pair.starve(() => pair.send(pattern(60_000, 1)));
      offerBuffers(pair.to, 10, 3000);
      assert.deepEqual(packets(pair.to), []);
      offerBuffers(pair.to, 3, 30_000);
      const received = pair.receive(60_000);
      assert.deepEqual(payloadOf(received), pattern(60_000, 1));
      assert.equal(received[0].numBuffers, 21);
      assert.equal(pair.to.metrics.read().rx_dropped, 0);
    },
  });

  Deno.test({
    name: `a large segment fills one large buffer where none are merged, over ${layout.name}`,
    ignore,
    async fn() {
      await using pair = new Pair(layout, without(layout, bit(VIRTIO_NET_F_MRG_RXBUF)));
      pair.to.offer(0, { writable: [12, 50, 65_550] });
      pair.to.offer(0, { writable: [2000] });
      pair.send(pattern(60_000, 2));
      const received = pair.receive(60_000);
      assert.deepEqual(payloadOf(received), pattern(60_000, 2));
      assert.equal(received[0].numBuffers, 1);
      // The next one doesn't fit, and what comes after it does.
      pair.send(pattern(60_000, 3));
      pair.send(pattern(1000, 4));
      assert.deepEqual(payloadOf(pair.receive(1000)), pattern(1000, 4));
      assert.equal(pair.to.metrics.read().rx_dropped, 1);
    },
  });

  Deno.test({
    name: `a driver that takes no offloads gets finished packets, over ${layout.name}`,
    ignore,
    async fn() {
      await using pair = new Pair(layout, without(layout, GUEST_OFFLOADS));
      offerBuffers(pair.to, 64, 1536);
      pair.send(pattern(20_000, 5));
      const received = pair.receive(20_000);
      assert.equal(received.length, Math.ceil(20_000 / SEGMENT));
      assert.deepEqual(payloadOf(received), pattern(20_000, 5));
      for (const { flags, gsoType, frame } of received) {
        assert.deepEqual([flags & 1, gsoType], [0, 0]);
        const segment = frame.subarray(34);
        const pseudo = join(
          ipBytes(pair.fromTap.guestIp),
          ipBytes(pair.toTap.guestIp),
          Uint8Array.of(0, 6, segment.length >> 8, segment.length),
        );
        assert.equal(sum16(pseudo, segment), 0xffff, "the checksum is right");
      }
    },
  });

  Deno.test({
    name: `a driver that changes what it takes gets it so, over ${layout.name}`,
    ignore,
    async fn() {
      await using pair = new Pair(layout);
      offerBuffers(pair.to, 100, 1536);
      assert.equal(setOffloads(pair.to, 0n), 0);
      pair.send(pattern(20_000, 6));
      assert.equal(pair.receive(20_000).length, Math.ceil(20_000 / SEGMENT));
      assert.equal(setOffloads(pair.to, GUEST_OFFLOADS), 0);
      pair.send(pattern(20_000, 7));
      assert.equal(pair.receive(20_000).length, 1);
    },
  });
});

Deno.test({
  name: "a large segment is dropped when the buffers that it lacks don't come",
  ignore,
  async fn() {
    await using pair = new Pair({});
    offerBuffers(pair.to, 10, 1536);
    pair.starve(() => pair.send(pattern(60_000)));
    const began = performance.now();
    pair.to.run(() => pair.to.metrics.read().rx_dropped > 0);
    assert(performance.now() - began > HOLD_MS * 0.9);
    pair.send(pattern(1000, 1));
    assert.deepEqual(payloadOf(pair.receive(1000)), pattern(1000, 1));
  },
});

Deno.test({
  name: "a large segment is dropped when the whole queue can't hold it",
  ignore,
  async fn() {
    await using pair = new Pair({}, { queueSizes: [16, 16, 16] });
    offerBuffers(pair.to, 16, 1536);
    pair.send(pattern(60_000));
    pair.to.run(() => pair.to.metrics.read().rx_dropped > 0);
    pair.send(pattern(1000, 1));
    assert.deepEqual(payloadOf(pair.receive(1000)), pattern(1000, 1));
  },
});

Deno.test({
  name:
    "a packet that waits for buffers is dropped when the device stops, and its buffers come back",
  ignore,
  async fn() {
    await using pair = new Pair({});
    offerBuffers(pair.to, 10, 1536);
    pair.starve(() => pair.send(pattern(60_000)));
    pair.to.stop();
    assert.equal(pair.to.metrics.read().rx_dropped, 1);
    pair.to.resume();
    pair.send(pattern(1000, 1));
    assert.deepEqual(payloadOf(pair.receive(1000)), pattern(1000, 1));
  },
});

Deno.test({
  name: "a header that makes no sense is refused by the host, and costs one packet",
  ignore,
  async fn() {
    await using pair = new Pair({});
    offerBuffers(pair.to, 10, 1536);
    const segment = largeSegment(pair.fromTap, pair.toTap.guestIp, pattern(5000), SEGMENT);
    segment[1] = 0x7f;
    pair.from.request(1, { readable: [segment] });
    pair.from.request(1, { readable: [join(PLAIN_HEADER, pattern(13))] });
    pair.from.request(1, { readable: [new Uint8Array(70_000)] });
    pair.from.request(1, { writable: [100] });
    const { tx_errors, tx_malformed, tx_packets } = pair.from.metrics.read();
    assert.deepEqual({ tx_errors, tx_malformed, tx_packets }, {
      tx_errors: 1,
      tx_malformed: 3,
      tx_packets: 0,
    });
    pair.send(pattern(1000, 1));
    assert.deepEqual(payloadOf(pair.receive(1000)), pattern(1000, 1));
  },
});

/** CTRL_GUEST_OFFLOADS_SET. @returns the answer */
function setOffloads(rig: DeviceRig<unknown>, offloads: bigint): number {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, offloads, true);
  const { bytes } = rig.request(2, { readable: [Uint8Array.of(5, 0), data], writable: [1] });
  return bytes[0];
}

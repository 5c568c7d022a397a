/**
 * What a network card costs: packets of 64 bytes and segments of 65,000 from a virtqueue to a tap and from a tap to
 * a virtqueue. Beside each, the same packets in C, one writev(2) or readv(2) each.
 *
 * The driver's part, which counts too, is as small as can be: its buffers lie ready and are offered again as they come
 * back. What is to be received waits in the tap before the time is taken.
 *
 * Needs the right to make taps (root).
 * @module
 */
import { net } from "../devices/virtio/net/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import { type BenchDevice, openDevice } from "./device.ts";
import { Peer } from "./peer.ts";
import { DESC_F_NEXT, DESC_F_WRITE, Ring, RING_BYTES, RING_SIZE } from "./ring.ts";

// As in net_packets.c.
const SMALL_COUNT = 800;
const LARGE_COUNT = 200;
const SMALL = 64;
const LARGE = 65_000;
const HEADER = 12;

const RINGS = 0x10000;
const PACKETS = 0x40000;
const BUFFERS = 0x80000;
/** A receive buffer, as large as drivers make them: a page. */
const BUFFER = 4096;

/** A card on a tap of its own, and its driver. */
class Bench {
  readonly #memory = GuestMemory.forTest(BUFFERS + RING_SIZE * BUFFER);
  readonly #receive = new Ring(this.#memory, 0, RINGS);
  readonly #transmit = new Ring(this.#memory, 1, RINGS + RING_BYTES);
  readonly #device: BenchDevice;

  constructor(tap: string) {
    this.#device = openDevice(net, { tap }, this.#memory);
    const { core, features } = this.#device;
    core.start([this.#receive.queue, this.#transmit.queue], features);
    for (let i = 0; i < RING_SIZE; i++) {
      this.#receive.describe(i, BUFFERS + BUFFER * i, BUFFER, DESC_F_WRITE);
      this.#receive.offer(i);
    }
    this.#receive.publish();
    this.#turn(0);
  }

  #turn(queue: number): void {
    this.#device.core.kick(queue);
    this.#device.loop.turn(0);
  }

  /** Sends packets of one kind. @param segment the header's first ten bytes */
  send(count: number, length: number, segment: readonly number[]): void {
    const ring = this.#transmit;
    this.#memory.fill(PACKETS, HEADER + length, 0);
    this.#memory.write(PACKETS, Uint8Array.from(segment));
    this.#memory.fill(PACKETS + HEADER, 12, 2);
    this.#memory.write(PACKETS + HEADER + 12, Uint8Array.of(0x88, 0xb5));
    if (segment.length > 0) {
      const [high, low] = [(length - 14) >> 8, (length - 14) & 0xff];
      const ip = [8, 0, 0x45, 0, high, low, 0, 0, 0, 0, 64, 6];
      this.#memory.write(PACKETS + HEADER + 12, Uint8Array.from(ip));
      this.#memory.writeU8(PACKETS + HEADER + 34 + 12, 0x50);
    }
    // Header and frame, in as many pieces as in C.
    for (let i = 0; i < RING_SIZE; i += 2) {
      ring.describe(i, PACKETS, HEADER, DESC_F_NEXT);
      ring.describe(i + 1, PACKETS + HEADER, length, 0);
      if (i < 2 * count) ring.offer(i);
    }
    let left = count - Math.min(count, RING_SIZE / 2);
    for (let done = 0; done < count;) {
      ring.publish();
      this.#turn(1);
      for (let head = ring.take(); head >= 0; head = ring.take()) {
        done++;
        if (left-- > 0) ring.offer(head);
      }
    }
  }

  /** Receives packets that wait in the tap. */
  receive(count: number): void {
    const ring = this.#receive;
    for (let done = 0; done < count;) {
      this.#turn(0);
      for (let head = ring.take(); head >= 0;) {
        done++;
        const pieces = this.#memory.readU16(BUFFERS + BUFFER * head + 10);
        for (let i = 0; i < pieces; i++) {
          ring.offer(head);
          head = ring.take();
        }
      }
      ring.publish();
    }
  }
}

/** The kernel sends nothing before it has looked at the new link. */
async function awaitLink(tap: string): Promise<void> {
  const file = `/sys/class/net/${tap}/operstate`;
  for (let tries = 0; (await Deno.readTextFile(file)).trim() === "down"; tries++) {
    if (tries === 200) throw new Error(`the link of ${tap} does not come up`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const own = `nvb${Deno.pid.toString(36)}`;
const other = `nvc${Deno.pid.toString(36)}`;
const bench = new Bench(own);
const directory = await Deno.makeTempDir();
const peer = await Peer.start(directory, "net_packets", other, own).finally(() =>
  Deno.remove(directory, { recursive: true })
);
await peer.run("-");
await awaitLink(own);
await awaitLink(other);

/** NEEDS_CSUM, GSO_TCPV4, hdr_len 54, gso_size 1448, csum_start 34, csum_offset 16. */
const SEGMENT = [1, 1, 54, 0, 1448 & 0xff, 1448 >> 8, 34, 0, 16, 0];
const kinds = [
  { name: `${SMALL_COUNT} packets of ${SMALL} bytes`, count: SMALL_COUNT, wishes: "sfro" },
  { name: `${LARGE_COUNT} segments of ${LARGE} bytes`, count: LARGE_COUNT, wishes: "SFRO" },
] as const;
for (const { name, count, wishes: [send, fill, receive, fillOther] } of kinds) {
  const length = count === SMALL_COUNT ? SMALL : LARGE;
  const segment = count === SMALL_COUNT ? [] : SEGMENT;
  const sent = `${name}, sent`;
  Deno.bench(`${sent}, C`, { group: sent, baseline: true }, async () => await peer.run(send));
  Deno.bench(`${sent}, card`, { group: sent }, () => bench.send(count, length, segment));
  const received = `${name}, received`;
  Deno.bench(`${received}, C`, { group: received, baseline: true }, async (context) => {
    await peer.run(fill);
    context.start();
    await peer.run(receive);
    context.end();
  });
  Deno.bench(`${received}, card`, { group: received }, async (context) => {
    await peer.run(fillOther);
    context.start();
    bench.receive(count);
    context.end();
  });
}

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
import { Metrics } from "../devices/metrics.ts";
import { readDevice } from "../devices/read_options.ts";
import type { VirtioDevice } from "../devices/virtio/module.ts";
import { net } from "../devices/virtio/net/mod.ts";
import { openQueue, type Virtqueue } from "../devices/virtio/queue/mod.ts";
import { IoLoop } from "../src/ffi/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import { Peer } from "./peer.ts";

// As in net_packets.c.
const SMALL_COUNT = 800;
const LARGE_COUNT = 200;
const SMALL = 64;
const LARGE = 65_000;
const HEADER = 12;

const QUEUE_SIZE = 256;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const QUEUE_AREAS = 0x10000;
const PACKETS = 0x40000;
const BUFFERS = 0x80000;
/** A receive buffer, as large as drivers make them: a page. */
const BUFFER = 4096;

/** The driver's side of a split queue whose buffers are the same again and again. */
class Ring {
  readonly queue: Virtqueue;
  readonly #memory: GuestMemory;
  readonly #table: number;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  #offered = 0;
  #seen = 0;

  constructor(memory: GuestMemory, index: number) {
    this.#memory = memory;
    this.#table = QUEUE_AREAS * (index + 1);
    const [driverArea, deviceArea] = [this.#table + 0x4000, this.#table + 0x8000];
    const areas = { descriptorArea: this.#table, driverArea, deviceArea };
    const features = { packed: false, eventIdx: true, indirect: false };
    this.queue = openQueue(memory, { index, size: QUEUE_SIZE, ...areas }, features, () => {});
    const { buffer } = memory.regions[0];
    this.#available = new Uint16Array(buffer, driverArea, 3 + QUEUE_SIZE);
    this.#used = new Uint16Array(buffer, deviceArea, 3 + 4 * QUEUE_SIZE);
  }

  /** Writes one descriptor. */
  describe(index: number, address: number, length: number, flags: number): void {
    const at = this.#table + 16 * index;
    this.#memory.writeU32(at, address);
    this.#memory.writeU32(at + 8, length);
    this.#memory.writeU16(at + 12, flags);
    this.#memory.writeU16(at + 14, index + 1);
  }

  /** Puts a buffer into the queue; the device sees it after {@linkcode publish}. */
  offer(head: number): void {
    this.#available[2 + this.#offered % QUEUE_SIZE] = head;
    this.#offered = (this.#offered + 1) & 0xffff;
  }

  publish(): void {
    Atomics.store(this.#available, 1, this.#offered);
  }

  /** The head of the next buffer that came back; -1 for none. */
  take(): number {
    if (this.#seen === Atomics.load(this.#used, 1)) return -1;
    const head = this.#used[2 + 4 * (this.#seen % QUEUE_SIZE)];
    this.#seen = (this.#seen + 1) & 0xffff;
    return head;
  }
}

/** A card on a tap of its own, and its driver. */
class Bench {
  readonly #loop = new IoLoop();
  readonly #memory = GuestMemory.forTest(BUFFERS + QUEUE_SIZE * BUFFER);
  readonly #device: VirtioDevice;
  readonly #receive: Ring;
  readonly #transmit: Ring;
  readonly #owned = new DisposableStack();

  constructor(tap: string) {
    const memory = this.#memory;
    const { values } = readDevice(net.options, { tap });
    const description = net.create(values as Parameters<typeof net.create>[0], {
      id: "bench",
      cpus: 1,
      memorySize: memory.size,
      own: (resource) => this.#owned.use(resource),
    });
    const failed = (error: unknown) => {
      throw error;
    };
    this.#device = net.open(description, {
      id: "bench",
      memory,
      io: this.#loop.scope(failed),
      config: { bytes: description.config, update: () => {} },
      metrics: new Metrics(Metrics.allocate(description.metrics)),
      log: failed,
      fail: failed,
    });
    this.#receive = new Ring(memory, 0);
    this.#transmit = new Ring(memory, 1);
    this.#device.start([this.#receive.queue, this.#transmit.queue], description.features);
    for (let i = 0; i < QUEUE_SIZE; i++) {
      this.#receive.describe(i, BUFFERS + BUFFER * i, BUFFER, DESC_F_WRITE);
      this.#receive.offer(i);
    }
    this.#receive.publish();
    this.#turn(0);
  }

  #turn(queue: number): void {
    this.#device.kick(queue);
    this.#loop.turn(0);
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
    for (let i = 0; i < QUEUE_SIZE; i += 2) {
      ring.describe(i, PACKETS, HEADER, DESC_F_NEXT);
      ring.describe(i + 1, PACKETS + HEADER, length, 0);
      if (i < 2 * count) ring.offer(i);
    }
    let left = count - Math.min(count, QUEUE_SIZE / 2);
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

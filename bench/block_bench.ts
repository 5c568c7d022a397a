/**
 * What a disk costs: reads out of the page cache, from a request in a virtqueue to its status byte. 2,000 random
 * reads of 4 KiB one after another, 20,000 of them 32 at a time, and 64 MiB in pieces of 1 MiB, two at a time. Beside
 * each, the same reads in C: pread(2), or io_uring where many are under way.
 *
 * The driver's part, which counts too, is as small as can be: its requests lie ready, but for their sector.
 * @module
 */
import { block } from "../devices/virtio/block/mod.ts";
import { Metrics } from "../devices/metrics.ts";
import { readDevice } from "../devices/read_options.ts";
import { openQueue, type Virtqueue } from "../devices/virtio/queue/mod.ts";
import type { VirtioDevice } from "../devices/virtio/module.ts";
import { IoLoop } from "../src/ffi/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import { Peer } from "./peer.ts";

const FILE_SIZE = 64 << 20;
const BLOCK = 4096;
const PIECE = 1 << 20;
const DEPTH = 32;
const FEW = 2_000;
const MANY = 20_000;

const QUEUE_SIZE = 256;
const AREAS = { descriptorArea: 0x1000, driverArea: 0x3000, deviceArea: 0x4000 };
const HEADERS = 0x8000;
const STATUSES = 0xc000;
const DATA = 0x100000;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const MISSING = 0xff;

/** A disk, and a driver whose requests are header, data and status in the same three descriptors again and again. */
class Bench {
  readonly #loop = new IoLoop();
  readonly #memory = GuestMemory.forTest(DATA + DEPTH * PIECE);
  readonly #device: VirtioDevice;
  readonly #queue: Virtqueue;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  readonly #owned = new DisposableStack();
  #offered = 0;
  #seen = 0;
  #seed = 1;

  constructor(path: string) {
    const memory = this.#memory;
    const { values } = readDevice(block.options, { path, ro: true, queues: 1 });
    const description = block.create(values as Parameters<typeof block.create>[0], {
      id: "bench",
      cpus: 1,
      memorySize: memory.size,
      own: (resource) => this.#owned.use(resource),
    });
    const failed = (error: unknown) => {
      throw error;
    };
    this.#device = block.open(description, {
      id: "bench",
      memory,
      io: this.#loop.scope(failed),
      config: { bytes: description.config, update: () => {} },
      metrics: new Metrics(Metrics.allocate(description.metrics)),
      log: failed,
      fail: failed,
    });
    const features = { packed: false, eventIdx: true, indirect: false };
    const configuration = { index: 0, size: QUEUE_SIZE, ...AREAS };
    this.#queue = openQueue(memory, configuration, features, () => {});
    const { buffer } = memory.regions[0];
    this.#available = new Uint16Array(buffer, AREAS.driverArea, 3 + QUEUE_SIZE);
    this.#used = new Uint16Array(buffer, AREAS.deviceArea, 3 + 4 * QUEUE_SIZE);
    this.#device.start([this.#queue], description.features);
  }

  /** Prepares the requests: each of the first `depth` slots has one. */
  #prepare(depth: number, length: number): void {
    for (let slot = 0; slot < depth; slot++) {
      this.#describe(3 * slot, HEADERS + 16 * slot, 16, DESC_F_NEXT);
      this.#describe(3 * slot + 1, DATA + PIECE * slot, length, DESC_F_NEXT | DESC_F_WRITE);
      this.#describe(3 * slot + 2, STATUSES + slot, 1, DESC_F_WRITE);
    }
  }

  #describe(index: number, address: number, length: number, flags: number): void {
    const at = AREAS.descriptorArea + 16 * index;
    this.#memory.writeU32(at, address);
    this.#memory.writeU32(at + 8, length);
    this.#memory.writeU16(at + 12, flags);
    this.#memory.writeU16(at + 14, index + 1);
  }

  #offer(slot: number, offset: number): void {
    this.#memory.writeU32(HEADERS + 16 * slot + 8, offset / 512);
    this.#memory.writeU8(STATUSES + slot, MISSING);
    this.#available[2 + this.#offered % QUEUE_SIZE] = 3 * slot;
    this.#offered = (this.#offered + 1) & 0xffff;
  }

  /** Reads `count` times `length` bytes, `depth` at a time. @param next where the next read is */
  run(count: number, depth: number, length: number, next: () => number): void {
    this.#prepare(depth, length);
    let left = count - depth;
    for (let slot = 0; slot < depth; slot++) this.#offer(slot, next());
    for (let done = 0; done < count;) {
      Atomics.store(this.#available, 1, this.#offered);
      this.#device.kick(0);
      this.#loop.turn();
      for (const end = Atomics.load(this.#used, 1); this.#seen !== end; done++) {
        const slot = this.#used[2 + 4 * (this.#seen % QUEUE_SIZE)] / 3;
        this.#seen = (this.#seen + 1) & 0xffff;
        if (this.#memory.readU8(STATUSES + slot) !== 0) throw new Error("a read failed");
        if (left-- > 0) this.#offer(slot, next());
      }
    }
  }

  random(count: number, depth: number): void {
    this.run(count, depth, BLOCK, () => {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      return (this.#seed >>> 8) % (FILE_SIZE / BLOCK) * BLOCK;
    });
  }

  sequential(depth: number): void {
    let at = 0;
    this.run(FILE_SIZE / PIECE, depth, PIECE, () => (at += PIECE) - PIECE);
  }
}

async function prepare(directory: string) {
  const file = `${directory}/disk.img`;
  await Deno.writeFile(file, new Uint8Array(FILE_SIZE).fill(0x5a));
  const plain = await Peer.start(directory, "block_reads", file);
  const ring = await Peer.start(directory, "io_loop", file);
  // Each has opened its file when it has answered.
  await plain.run("1");
  await ring.run("r");
  return { bench: new Bench(file), plain, ring };
}

const directory = await Deno.makeTempDir();
const { bench, plain, ring } = await prepare(directory).finally(() =>
  Deno.remove(directory, { recursive: true })
);

const few = `${FEW} reads of 4 KiB, one after another`;
Deno.bench(`${few}, C`, { group: few, baseline: true }, async () => await plain.run("1"));
Deno.bench(`${few}, disk`, { group: few }, () => bench.random(FEW, 1));
const many = `${MANY} reads of 4 KiB, ${DEPTH} at a time`;
Deno.bench(`${many}, C`, { group: many, baseline: true }, async () => await ring.run("r"));
Deno.bench(`${many}, disk`, { group: many }, () => bench.random(MANY, DEPTH));
const pieces = `${FILE_SIZE >> 20} reads of 1 MiB`;
Deno.bench(`${pieces}, C`, { group: pieces, baseline: true }, async () => await plain.run("m"));
Deno.bench(`${pieces}, disk`, { group: pieces }, () => bench.sequential(2));

/**
 * What a disk costs: reads out of the page cache, from a request in a virtqueue to its status byte. 2,000 random
 * reads of 4 KiB one after another, 20,000 of them 32 at a time, and 64 MiB in pieces of 1 MiB, two at a time. Beside
 * each, the same reads in C: pread(2), or io_uring where many are under way.
 *
 * The driver's part, which counts too, is as small as can be: its requests lie ready, but for their sector.
 * @module
 */
import { block } from "../devices/virtio/block/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import { type BenchDevice, openDevice } from "./device.ts";
import { Peer } from "./peer.ts";
import { DESC_F_NEXT, DESC_F_WRITE, Ring } from "./ring.ts";

const FILE_SIZE = 64 << 20;
const BLOCK = 4096;
const PIECE = 1 << 20;
const DEPTH = 32;
const FEW = 2_000;
const MANY = 20_000;

const RING = 0x1000;
const HEADERS = 0x8000;
const STATUSES = 0xc000;
const DATA = 0x100000;
const MISSING = 0xff;

/** A disk, and a driver whose requests are header, data and status in the same three descriptors again and again. */
class Bench {
  readonly #memory = GuestMemory.forTest(DATA + DEPTH * PIECE);
  readonly #ring = new Ring(this.#memory, 0, RING);
  readonly #device: BenchDevice;
  #seed = 1;

  constructor(path: string) {
    this.#device = openDevice(block, { path, ro: true, queues: 1 }, this.#memory);
    this.#device.core.start([this.#ring.queue], this.#device.features);
  }

  /** Prepares the requests: each of the first `depth` slots has one. */
  #prepare(depth: number, length: number): void {
    const ring = this.#ring;
    for (let slot = 0; slot < depth; slot++) {
      ring.describe(3 * slot, HEADERS + 16 * slot, 16, DESC_F_NEXT);
      ring.describe(3 * slot + 1, DATA + PIECE * slot, length, DESC_F_NEXT | DESC_F_WRITE);
      ring.describe(3 * slot + 2, STATUSES + slot, 1, DESC_F_WRITE);
    }
  }

  #offer(slot: number, offset: number): void {
    this.#memory.writeU32(HEADERS + 16 * slot + 8, offset / 512);
    this.#memory.writeU8(STATUSES + slot, MISSING);
    this.#ring.offer(3 * slot);
  }

  /** Reads `count` times `length` bytes, `depth` at a time. @param next where the next read is */
  run(count: number, depth: number, length: number, next: () => number): void {
    this.#prepare(depth, length);
    const ring = this.#ring;
    const { core, loop } = this.#device;
    let left = count - depth;
    for (let slot = 0; slot < depth; slot++) this.#offer(slot, next());
    for (let done = 0; done < count;) {
      ring.publish();
      core.kick(0);
      loop.turn();
      for (let head = ring.take(); head >= 0; head = ring.take(), done++) {
        const slot = head / 3;
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

/**
 * What the event loop costs: 20,000 random reads of 4 KiB out of the page cache, 32 at a time; and 20,000 signals of
 * an eventfd, each followed by the turn that calls back for it. Beside each, the same with plain system calls in C,
 * compiled for the occasion. Divide by 20,000 for one.
 * @module
 */
import {
  bufferAddress,
  EventFd,
  Fd,
  IoLoop,
  type IoOperation,
  IoVectors,
  O_RDONLY,
} from "../src/ffi/mod.ts";
import { Peer } from "./peer.ts";

const FILE_SIZE = 64 << 20;
const DEPTH = 32;
const BLOCK = 4096;
const COUNT = 20_000;

/** The event loop with its file and its eventfd. */
class Bench {
  readonly #loop = new IoLoop();
  readonly #event = new EventFd("bench");
  readonly #operations: IoOperation[] = [];
  readonly #vectors: IoVectors[] = [];
  readonly #file: Fd;
  readonly #memory = new SharedArrayBuffer((DEPTH + 1) * BLOCK);
  #seed = 1;
  #left = 0;
  #started = 0;
  #seen = 0;

  constructor(file: string) {
    this.#file = Fd.open(file, O_RDONLY);
    const scope = this.#loop.scope((error) => {
      throw error;
    });
    scope.event(this.#event.raw, () => this.#seen++);
    const memory = Math.ceil(bufferAddress(this.#memory) / BLOCK) * BLOCK;
    for (let slot = 0; slot < DEPTH; slot++) {
      const vectors = new IoVectors(1);
      vectors.set(0, memory + slot * BLOCK, BLOCK);
      this.#vectors.push(vectors);
      this.#operations.push(scope.operation((result) => this.#completed(slot, result)));
    }
  }

  #completed(slot: number, result: number): void {
    if (result !== BLOCK) throw new Error(`a read gave ${result}`);
    this.#left--;
    if (this.#started < COUNT) this.#read(slot);
  }

  #read(slot: number): void {
    this.#started++;
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    const offset = (this.#seed >>> 8) % (FILE_SIZE / BLOCK) * BLOCK;
    this.#operations[slot].readv(this.#file.raw, this.#vectors[slot], 1, offset);
  }

  reads(): void {
    this.#left = COUNT;
    this.#started = 0;
    for (let slot = 0; slot < DEPTH; slot++) this.#read(slot);
    while (this.#left > 0) this.#loop.turn();
  }

  signals(): void {
    const event = this.#event;
    for (this.#seen = 0; this.#seen < COUNT;) {
      event.signal();
      this.#loop.turn();
    }
  }
}

async function prepare(directory: string): Promise<{ bench: Bench; peer: Peer }> {
  const file = `${directory}/file`;
  await Deno.writeFile(file, new Uint8Array(FILE_SIZE).fill(0x5a));
  const peer = await Peer.start(directory, "io_loop", file);
  await peer.run("r");
  return { bench: new Bench(file), peer };
}

const directory = await Deno.makeTempDir();
const { bench, peer } = await prepare(directory).finally(() =>
  // Who has it open goes on.
  Deno.remove(directory, { recursive: true })
);

const reads = `${COUNT} reads of 4 KiB, ${DEPTH} at a time`;
Deno.bench(`${reads}, C`, { group: reads, baseline: true }, async () => await peer.run("r"));
Deno.bench(`${reads}, IoLoop`, { group: reads }, () => bench.reads());
const signals = `${COUNT} signals of an eventfd`;
Deno.bench(`${signals}, C`, { group: signals, baseline: true }, async () => await peer.run("e"));
Deno.bench(`${signals}, IoLoop`, { group: signals }, () => bench.signals());

/**
 * The split virtqueue: a descriptor table, a ring of buffers that the driver offers and one of those it gets back.
 *
 * | the guest controls                       | what bounds it                                                  |
 * | ---------------------------------------- | --------------------------------------------------------------- |
 * | where the areas are, and their size      | checked once, when the queue is opened                          |
 * | the available index, and jumps of it     | no more buffers than descriptors are under way, or an error      |
 * | heads in the available ring              | below the size, and not under way already                       |
 * | descriptors, indirect tables             | `next` is below the size; the rest: see ChainReader             |
 * | the used ring, which it could write      | never read: indices are kept here                               |
 * | used_event and the flags                 | they decide on an interrupt, and nothing else                   |
 *
 * One isolate owns a queue. The indices are the only words through which the two sides order their accesses, and are
 * read and written with Atomics, which are sequentially consistent: what was stored before an index is seen by whoever
 * loads it, and a store of one index is ordered before the load of another.
 *
 * Source: virtio 1.2, 2.7.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "./chain.ts";
import { ChainReader } from "./chain_reader.ts";
import {
  checkPosition,
  checkQueueSize,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_WRITE,
  ringArea,
} from "./ring_area.ts";
import { notLast, notTaken, tooMuch } from "./misuse.ts";
import {
  DESCRIPTOR_SIZE,
  type QueueConfiguration,
  type QueueFeatures,
  type QueuePosition,
  type WatchableQueue,
} from "./virtqueue.ts";

/** VIRTQ_AVAIL_F_NO_INTERRUPT (2.7.6): the driver wants no interrupts; ignored with VIRTIO_F_EVENT_IDX. */
const AVAIL_F_NO_INTERRUPT = 1;
/** VIRTQ_USED_F_NO_NOTIFY (2.7.8): the device wants no notifications; zero with VIRTIO_F_EVENT_IDX. */
const USED_F_NO_NOTIFY = 1;

// Both rings begin with flags and an index, of 16 bits each.
const FLAGS = 0;
const INDEX = 1;
/** Where an available ring's entries begin, in halfwords. */
const RING = 2;

/** The device's side of a split virtqueue. */
export class SplitQueue implements WatchableQueue {
  readonly index: number;
  readonly size: number;
  readonly #mask: number;
  readonly #eventIdx: boolean;
  readonly #indirect: boolean;
  readonly #interrupt: () => void;
  /** Whether notifications are asked for by {@linkcode arm} alone. */
  readonly #looked: boolean;
  readonly #reader: ChainReader;
  /** The descriptor table: address low and high, length, and flags with `next` in the upper half. */
  readonly #table: Uint32Array<SharedArrayBuffer>;
  readonly #available: Uint16Array<SharedArrayBuffer>;
  readonly #used: Uint16Array<SharedArrayBuffer>;
  /** The same as words: entry `i` is an id in word `1 + 2 * i` and a length behind it. */
  readonly #usedEntries: Uint32Array<SharedArrayBuffer>;
  /** Where used_event is in the available ring, and avail_event in the used one, in halfwords. */
  readonly #usedEvent: number;
  readonly #availEvent: number;
  /** 1 for each head that was popped and not given back. */
  readonly #taken: Uint8Array;
  #inFlight = 0;
  #nextAvailable: number;
  /** The driver's index, as it was when last looked at. */
  #seen: number;
  #nextUsed: number;
  /** The index that the driver sees. */
  #flushed: number;
  /** Whether notifications are wanted. */
  #watching = true;
  /** What was stored last: avail_event, or the flags where VIRTIO_F_EVENT_IDX was not agreed on. */
  #armed = -1;
  /** The driver's index when the device last found nothing, or was told. */
  #noted = -1;

  /** @throws {VirtqueueError} the areas or the size can't be */
  constructor(
    memory: GuestMemory,
    configuration: QueueConfiguration,
    features: QueueFeatures,
    interrupt: () => void,
    looked = false,
  ) {
    checkQueueSize(configuration, false);
    const { index, size, descriptorArea, driverArea, deviceArea } = configuration;
    const { nextAvailable, nextUsed } = configuration.position ?? START;
    checkPosition(index, "available index", nextAvailable);
    checkPosition(index, "used index", nextUsed);
    this.index = index;
    this.size = size;
    this.#mask = size - 1;
    this.#eventIdx = features.eventIdx;
    this.#indirect = features.indirect;
    this.#interrupt = interrupt;
    this.#looked = looked;
    this.#reader = new ChainReader(memory, index, size);
    const area = (what: string, address: number, length: number, alignment: number) =>
      ringArea(memory, index, what, address, length, alignment);
    const table = area("descriptor table", descriptorArea, size * DESCRIPTOR_SIZE, 16);
    this.#table = new Uint32Array(table.buffer, table.byteOffset, size * 4);
    const available = area("available ring", driverArea, 6 + 2 * size, 2);
    this.#available = new Uint16Array(available.buffer, available.byteOffset, 3 + size);
    this.#usedEvent = 2 + size;
    const used = area("used ring", deviceArea, 6 + 8 * size, 4);
    this.#used = new Uint16Array(used.buffer, used.byteOffset, 3 + 4 * size);
    this.#usedEntries = new Uint32Array(used.buffer, used.byteOffset, 1 + 2 * size);
    this.#availEvent = 2 + 4 * size;
    this.#taken = new Uint8Array(size);
    this.#nextAvailable = this.#seen = nextAvailable;
    this.#nextUsed = this.#flushed = nextUsed;
    if (this.#eventIdx) Atomics.store(this.#used, FLAGS, 0);
    this.watch();
    this.arm();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get hasBuffers(): boolean {
    return this.#nextAvailable !== this.#seen ||
      Atomics.load(this.#available, INDEX) !== this.#nextAvailable ||
      (this.#watching && this.watch());
  }

  get position(): QueuePosition {
    return { nextAvailable: this.#nextAvailable, nextUsed: this.#nextUsed };
  }

  pop(chain: DescriptorChain): boolean {
    const next = this.#nextAvailable;
    if (next === this.#seen && !this.#look()) return false;
    const reader = this.#reader;
    const table = this.#table;
    const size = this.size;
    reader.begin(chain);
    const head = this.#available[RING + (next & this.#mask)];
    if (head >= size) throw reader.error(`descriptor ${head} of ${size} was offered`);
    if (this.#taken[head] !== 0) throw reader.error(`descriptor ${head} was offered twice`);
    let at = head;
    for (;;) {
      const word = at * 4;
      const last = table[word + 3];
      if ((last & DESC_F_INDIRECT) !== 0) {
        if (!this.#indirect) throw reader.error("an indirect descriptor was not agreed on");
        if ((last & DESC_F_NEXT) !== 0) throw reader.error("a buffer goes on behind its table");
        reader.addLinkedTable(chain, table[word], table[word + 1], table[word + 2]);
        break;
      }
      const writable = (last & DESC_F_WRITE) !== 0;
      reader.add(chain, table[word], table[word + 1], table[word + 2], writable);
      if ((last & DESC_F_NEXT) === 0) break;
      at = last >>> 16;
      if (at >= size) throw reader.error(`a buffer goes on at descriptor ${at} of ${size}`);
    }
    chain.id = head;
    chain.slots = 1;
    chain.position = next;
    this.#taken[head] = 1;
    this.#inFlight++;
    this.#nextAvailable = (next + 1) & 0xffff;
    return true;
  }

  unpop(chain: DescriptorChain): void {
    const before = (this.#nextAvailable - 1) & 0xffff;
    if (chain.position !== before) throw notLast(this.index);
    this.#release(chain);
    this.#nextAvailable = before;
  }

  push(chain: DescriptorChain, written: number): void {
    if (!(written >= 0 && written <= chain.writableBytes)) {
      throw tooMuch(this.index, chain, written);
    }
    this.#release(chain);
    const word = 1 + 2 * (this.#nextUsed & this.#mask);
    this.#usedEntries[word] = chain.id;
    // A part of 2^32 bytes is one more than the field can say.
    this.#usedEntries[word + 1] = Math.min(written, 0xffff_ffff);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  flush(): void {
    const next = this.#nextUsed;
    const count = (next - this.#flushed) & 0xffff;
    if (count === 0) return;
    Atomics.store(this.#used, INDEX, next);
    this.#flushed = next;
    if (this.#eventIdx) {
      // 2.7.7.2: an interrupt when used_event's entry is among those that became visible.
      const event = Atomics.load(this.#available, this.#usedEvent);
      if (((next - event - 1) & 0xffff) < count) this.#interrupt();
    } else if ((Atomics.load(this.#available, FLAGS) & AVAIL_F_NO_INTERRUPT) === 0) {
      this.#interrupt();
    }
  }

  ignore(): void {
    this.#watching = false;
    // With VIRTIO_F_EVENT_IDX there's no way to say it: an avail_event left behind is enough (2.7.10).
    if (!this.#eventIdx) this.#arm(FLAGS, USED_F_NO_NOTIFY);
  }

  watch(): boolean {
    this.#watching = true;
    if (!this.#looked) this.#ask();
    this.note();
    return this.#noted !== this.#nextAvailable;
  }

  get news(): boolean {
    return this.#watching && Atomics.load(this.#available, INDEX) !== this.#noted;
  }

  note(): void {
    this.#noted = Atomics.load(this.#available, INDEX);
  }

  arm(): boolean {
    if (!this.#watching) return false;
    this.#ask();
    return this.news;
  }

  #ask(): void {
    if (this.#eventIdx) this.#arm(this.#availEvent, this.#nextAvailable);
    else this.#arm(FLAGS, 0);
  }

  /** Looks for buffers beyond those that were seen. Finding none, it leaves notifications on, if they are wanted. */
  #look(): boolean {
    const next = this.#nextAvailable;
    let index = Atomics.load(this.#available, INDEX);
    if (index === next) {
      if (!this.#watching || !this.watch()) return false;
      index = Atomics.load(this.#available, INDEX);
    }
    // The driver can't have used again what it has not seen as given back.
    const unseen = (this.#nextUsed - this.#flushed) & 0xffff;
    const offered = (index - next) & 0xffff;
    if (offered === 0) return false;
    if (offered > this.size - this.#inFlight - unseen) {
      throw this.#reader.error(
        `its available index jumped from ${next} to ${index}, with ${this.#inFlight + unseen} of ` +
          `${this.size} descriptors under way`,
      );
    }
    this.#seen = index;
    return true;
  }

  /** Stores a word for the driver, before any load that follows. */
  #arm(at: number, value: number): void {
    if (this.#armed === value) return;
    this.#armed = value;
    Atomics.store(this.#used, at, value);
  }

  #release(chain: DescriptorChain): void {
    if (chain.id >= this.size || this.#taken[chain.id] === 0) throw notTaken(this.index, chain);
    this.#taken[chain.id] = 0;
    this.#inFlight--;
  }
}

const START: QueuePosition = { nextAvailable: 0, nextUsed: 0 };

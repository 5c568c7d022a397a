/**
 * The packed virtqueue: one ring of descriptors, in which the driver offers buffers and the device gives them back.
 *
 * | the guest controls                       | what bounds it                                                  |
 * | ---------------------------------------- | --------------------------------------------------------------- |
 * | where the areas are, and their size      | checked once, when the queue is opened                          |
 * | flags that make descriptors available    | no more places than the ring has are under way, or an error     |
 * | buffer ids, any 16 bits                  | not under way already                                           |
 * | descriptors, indirect tables             | see ChainReader                                                 |
 * | how many places a buffer took            | remembered in the chain when it was popped, not read again      |
 * | the event suppression structure          | decides on an interrupt, and nothing else                       |
 *
 * A descriptor changes hands by its flags, which are loaded and stored with Atomics where they decide: the first of a
 * buffer's that is taken, and the first of a batch that is given back. The others of a batch are stored before; the
 * driver doesn't look at them before it has seen the first (2.8.6).
 *
 * Source: virtio 1.2, 2.8.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "./chain.ts";
import { ChainReader } from "./chain_reader.ts";
import { notLast, notTaken, tooMuch } from "./misuse.ts";
import {
  checkPosition,
  checkQueueSize,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_WRITE,
  ringArea,
} from "./ring_area.ts";
import {
  DESCRIPTOR_SIZE,
  type QueueConfiguration,
  type QueueFeatures,
  type QueuePosition,
  VirtqueueError,
  type WatchableQueue,
} from "./virtqueue.ts";

/** VIRTQ_DESC_F_AVAIL and VIRTQ_DESC_F_USED (2.8.1). */
const DESC_F_AVAIL = 1 << 7;
const DESC_F_USED = 1 << 15;
const DESC_F_BOTH = DESC_F_AVAIL | DESC_F_USED;

/** RING_EVENT_FLAGS_* (2.8.14), in the upper half of an event suppression structure. */
const EVENT_ENABLE = 0;
const EVENT_DISABLE = 1;
const EVENT_DESC = 2;
const EVENT_MASK = 3;

// Halfwords of a descriptor (2.8.13): behind the address and the length come the id and the flags.
const ID = 6;
const FLAGS = 7;

/** The wrap counter's bit in a position. */
const WRAP = 0x8000;

/** The device's side of a packed virtqueue. */
export class PackedQueue implements WatchableQueue {
  readonly index: number;
  readonly size: number;
  readonly #eventIdx: boolean;
  readonly #indirect: boolean;
  readonly #interrupt: () => void;
  /** Whether notifications are asked for by {@linkcode arm} alone. */
  readonly #looked: boolean;
  readonly #reader: ChainReader;
  /** The ring: address low and high, length, and an id with flags in the upper half. */
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #halves: Uint16Array<SharedArrayBuffer>;
  /** The event suppression structures, of one word each: an offset with a wrap counter, then flags. */
  readonly #driverEvent: Int32Array<SharedArrayBuffer>;
  readonly #deviceEvent: Int32Array<SharedArrayBuffer>;
  /** One bit for each buffer id that is under way. */
  readonly #taken = new Uint32Array(0x1_0000 / 32);
  #inFlight = 0;
  /** The places of buffers under way, and of those that were given back unseen. */
  #slotsTaken = 0;
  #slotsUnseen = 0;
  /** Where the next buffer begins, with the driver's wrap counter. */
  #availableSlot: number;
  #availableWrap: number;
  /** Where the next one is given back, with the device's wrap counter. */
  #usedSlot: number;
  #usedWrap: number;
  /** The flags that make the first of a batch visible, and where they belong. */
  #firstSlot = 0;
  #firstFlags = 0;
  #watching = true;
  /** What the driver was told last about notifications. */
  #armed = -1;
  /** Where the buffer begins that the device was told of, and has not popped; -1: it was told of none. */
  #noted = -1;

  /** @throws {VirtqueueError} the areas or the size can't be */
  constructor(
    memory: GuestMemory,
    configuration: QueueConfiguration,
    features: QueueFeatures,
    interrupt: () => void,
    looked = false,
  ) {
    checkQueueSize(configuration, true);
    const { index, size, descriptorArea, driverArea, deviceArea } = configuration;
    const { nextAvailable, nextUsed } = configuration.position ?? START;
    for (const position of [nextAvailable, nextUsed]) {
      checkPosition(index, "position", position);
      if ((position & ~WRAP) < size) continue;
      const offset = position & ~WRAP;
      throw new VirtqueueError(`queue ${index}: it can't go on at descriptor ${offset} of ${size}`);
    }
    this.index = index;
    this.size = size;
    this.#eventIdx = features.eventIdx;
    this.#indirect = features.indirect;
    this.#interrupt = interrupt;
    this.#looked = looked;
    this.#reader = new ChainReader(memory, index, size);
    const area = (what: string, address: number, length: number, alignment: number) =>
      ringArea(memory, index, what, address, length, alignment);
    const ring = area("descriptor ring", descriptorArea, size * DESCRIPTOR_SIZE, 16);
    this.#words = new Uint32Array(ring.buffer, ring.byteOffset, size * 4);
    this.#halves = new Uint16Array(ring.buffer, ring.byteOffset, size * 8);
    const driver = area("driver's event suppression structure", driverArea, 4, 4);
    this.#driverEvent = new Int32Array(driver.buffer, driver.byteOffset, 1);
    const device = area("device's event suppression structure", deviceArea, 4, 4);
    this.#deviceEvent = new Int32Array(device.buffer, device.byteOffset, 1);
    this.#availableSlot = nextAvailable & ~WRAP;
    this.#availableWrap = nextAvailable & WRAP;
    this.#usedSlot = nextUsed & ~WRAP;
    this.#usedWrap = nextUsed & WRAP;
    this.watch();
    this.arm();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get hasBuffers(): boolean {
    return this.#isAvailable(this.#flags()) || (this.#watching && this.watch());
  }

  get position(): QueuePosition {
    return {
      nextAvailable: this.#next,
      nextUsed: this.#usedSlot | this.#usedWrap,
    };
  }

  pop(chain: DescriptorChain): boolean {
    let flags = this.#flags();
    if (!this.#isAvailable(flags)) {
      if (!this.#watching || !this.watch()) return false;
      flags = this.#flags();
      if (!this.#isAvailable(flags)) return false;
    }
    const reader = this.#reader;
    const words = this.#words;
    const size = this.size;
    const room = size - this.#slotsTaken - this.#slotsUnseen;
    reader.begin(chain);
    let slots = 0;
    let at = this.#availableSlot;
    for (;;) {
      if (++slots > room) throw this.#overrun();
      const word = at * 4;
      const writable = (flags & DESC_F_WRITE) !== 0;
      if ((flags & DESC_F_INDIRECT) === 0) {
        reader.add(chain, words[word], words[word + 1], words[word + 2], writable);
      } else {
        if (!this.#indirect) throw reader.error("an indirect descriptor was not agreed on");
        // 2.8.8: a table is never part of a list.
        if (slots > 1 || (flags & DESC_F_NEXT) !== 0) {
          throw reader.error("a list of descriptors has an indirect table in it");
        }
        reader.addWholeTable(chain, words[word], words[word + 1], words[word + 2]);
      }
      if ((flags & DESC_F_NEXT) === 0) break;
      if (++at === size) at = 0;
      flags = this.#halves[at * 8 + FLAGS];
    }
    // 2.8.6: the id is in the last descriptor of a list.
    const id = this.#halves[at * 8 + ID];
    if ((this.#taken[id >>> 5] & (1 << (id & 31))) !== 0) {
      throw reader.error(`buffer ${id} was offered twice`);
    }
    chain.id = id;
    chain.slots = slots;
    chain.position = this.#next;
    this.#taken[id >>> 5] |= 1 << (id & 31);
    this.#inFlight++;
    this.#slotsTaken += slots;
    this.#availableSlot += slots;
    if (this.#availableSlot >= size) {
      this.#availableSlot -= size;
      this.#availableWrap ^= WRAP;
    }
    return true;
  }

  unpop(chain: DescriptorChain): void {
    let slot = this.#availableSlot - chain.slots;
    let wrap = this.#availableWrap;
    if (slot < 0) {
      slot += this.size;
      wrap ^= WRAP;
    }
    if (chain.position !== (slot | wrap)) throw notLast(this.index);
    this.#release(chain);
    this.#availableSlot = slot;
    this.#availableWrap = wrap;
  }

  push(chain: DescriptorChain, written: number): void {
    if (!(written >= 0 && written <= chain.writableBytes)) {
      throw tooMuch(this.index, chain, written);
    }
    this.#release(chain);
    const slot = this.#usedSlot;
    const both = this.#usedWrap === 0 ? 0 : DESC_F_BOTH;
    // 2.8.4, 2.8.5: WRITE says that there is a length.
    const flags = written > 0 ? both | DESC_F_WRITE : both;
    this.#words[slot * 4 + 2] = Math.min(written, 0xffff_ffff);
    this.#halves[slot * 8 + ID] = chain.id;
    if (this.#slotsUnseen === 0) {
      this.#firstSlot = slot;
      this.#firstFlags = flags;
    } else {
      this.#halves[slot * 8 + FLAGS] = flags;
    }
    this.#slotsUnseen += chain.slots;
    this.#usedSlot = slot + chain.slots;
    if (this.#usedSlot >= this.size) {
      this.#usedSlot -= this.size;
      this.#usedWrap ^= WRAP;
    }
  }

  flush(): void {
    const slots = this.#slotsUnseen;
    if (slots === 0) return;
    Atomics.store(this.#halves, this.#firstSlot * 8 + FLAGS, this.#firstFlags);
    this.#slotsUnseen = 0;
    if (this.#interruptWanted(slots)) this.#interrupt();
  }

  ignore(): void {
    this.#watching = false;
    this.#arm(EVENT_DISABLE << 16);
  }

  watch(): boolean {
    this.#watching = true;
    if (!this.#looked) this.#ask();
    this.note();
    return this.#noted >= 0;
  }

  get news(): boolean {
    return this.#watching && this.#noted !== this.#next && this.#isAvailable(this.#flags());
  }

  note(): void {
    this.#noted = this.#isAvailable(this.#flags()) ? this.#next : -1;
  }

  arm(): boolean {
    if (!this.#watching) return false;
    this.#ask();
    return this.news;
  }

  /** Where the next buffer begins, with the wrap counter. */
  get #next(): number {
    return this.#availableSlot | this.#availableWrap;
  }

  #ask(): void {
    // 2.8.14: with VIRTIO_F_EVENT_IDX, one notification when that descriptor becomes available is enough.
    this.#arm(this.#eventIdx ? EVENT_DESC << 16 | this.#next : EVENT_ENABLE << 16);
  }

  /** The flags of the next descriptor. */
  #flags(): number {
    return Atomics.load(this.#halves, this.#availableSlot * 8 + FLAGS);
  }

  /** 2.8.1: AVAIL is the driver's wrap counter, and USED is not. */
  #isAvailable(flags: number): boolean {
    return (flags & DESC_F_BOTH) === (this.#availableWrap === 0 ? DESC_F_USED : DESC_F_AVAIL);
  }

  /** Whether the driver wants to be interrupted about the last `slots` places before the used position. */
  #interruptWanted(slots: number): boolean {
    const event = Atomics.load(this.#driverEvent, 0);
    const mode = (event >>> 16) & EVENT_MASK;
    if (mode === EVENT_DISABLE) return false;
    // A mode that isn't agreed on, or is reserved: an interrupt too many does no harm.
    if (mode !== EVENT_DESC || !this.#eventIdx) return true;
    // In places before or behind the start of the ring in this lap, as linux/virtio_ring.h reckons.
    const offset = (event & ~WRAP & 0xffff) - ((event & WRAP) === this.#usedWrap ? 0 : this.size);
    return ((this.#usedSlot - offset - 1) & 0xffff) < slots;
  }

  /** Tells the driver about notifications, before any load that follows. */
  #arm(event: number): void {
    if (this.#armed === event) return;
    this.#armed = event;
    Atomics.store(this.#deviceEvent, 0, event);
  }

  #release(chain: DescriptorChain): void {
    const bit = 1 << (chain.id & 31);
    const word = chain.id >>> 5;
    if ((this.#taken[word] & bit) === 0) throw notTaken(this.index, chain);
    this.#taken[word] &= ~bit;
    this.#inFlight--;
    this.#slotsTaken -= chain.slots;
  }

  /** The driver made more descriptors available than the ring has places. */
  #overrun(): VirtqueueError {
    const busy = this.#slotsTaken + this.#slotsUnseen;
    return this.#reader.error(
      `a buffer takes more places than are free: ${busy} of ${this.size} are under way`,
    );
  }
}

/** Both wrap counters are 1 at first (2.8.1). */
const START: QueuePosition = { nextAvailable: WRAP, nextUsed: WRAP };

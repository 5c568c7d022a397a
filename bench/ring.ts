/**
 * The driver's side of a split virtqueue that costs a bench as little as can be: its descriptors lie ready, and are
 * offered again as they come back.
 * @module
 */
import { openQueue, type Virtqueue } from "../devices/virtio/queue/mod.ts";
import type { GuestMemory } from "../src/memory/mod.ts";

/** How many descriptors a ring has. */
export const RING_SIZE = 256;
/** How much memory a ring takes, in bytes. */
export const RING_BYTES = 0x3000;

/** VIRTQ_DESC_F_NEXT: the buffer goes on in the next descriptor (virtio 1.2, 2.7.5). */
export const DESC_F_NEXT = 1;
/** VIRTQ_DESC_F_WRITE: the device writes here. */
export const DESC_F_WRITE = 2;

/** Where the driver's and the device's area are behind the descriptor table. */
const DRIVER_AREA = 0x1000;
const DEVICE_AREA = 0x2000;

/** A driver's split queue. */
export class Ring {
  /** The device's side. */
  readonly queue: Virtqueue;
  readonly #memory: GuestMemory;
  readonly #table: number;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  #offered = 0;
  #seen = 0;

  /**
   * @param index of the queue among its device's
   * @param at where it is, a multiple of 16: {@linkcode RING_BYTES} in the memory's first region
   */
  constructor(memory: GuestMemory, index: number, at: number) {
    this.#memory = memory;
    this.#table = at;
    const [driverArea, deviceArea] = [at + DRIVER_AREA, at + DEVICE_AREA];
    const areas = { descriptorArea: at, driverArea, deviceArea };
    const features = { packed: false, eventIdx: true, indirect: false };
    this.queue = openQueue(memory, { index, size: RING_SIZE, ...areas }, features, () => {});
    const { buffer } = memory.regions[0];
    this.#available = new Uint16Array(buffer, driverArea, 3 + RING_SIZE);
    this.#used = new Uint16Array(buffer, deviceArea, 3 + 4 * RING_SIZE);
  }

  /** Writes one descriptor; with DESC_F_NEXT in its flags, the buffer goes on in the one behind it. */
  describe(index: number, address: number, length: number, flags: number): void {
    const at = this.#table + 16 * index;
    this.#memory.writeU32(at, address);
    this.#memory.writeU32(at + 8, length);
    this.#memory.writeU16(at + 12, flags);
    this.#memory.writeU16(at + 14, index + 1);
  }

  /** Puts the buffer that begins with a descriptor into the queue; the device sees it after {@linkcode publish}. */
  offer(head: number): void {
    this.#available[2 + this.#offered % RING_SIZE] = head;
    this.#offered = (this.#offered + 1) & 0xffff;
  }

  /** Shows the device all that was offered. */
  publish(): void {
    Atomics.store(this.#available, 1, this.#offered);
  }

  /** The head of the next buffer that came back; -1 for none. */
  take(): number {
    if (this.#seen === Atomics.load(this.#used, 1)) return -1;
    const head = this.#used[2 + 4 * (this.#seen % RING_SIZE)];
    this.#seen = (this.#seen + 1) & 0xffff;
    return head;
  }
}

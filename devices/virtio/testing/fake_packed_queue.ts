/**
 * The driver's side of a packed virtqueue, for tests.
 *
 * Source: virtio 1.2, 2.8.21 and 2.8.22.
 * @module
 */
import assert from "node:assert/strict";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { QueueFeatures } from "../queue/virtqueue.ts";
import type { Arena } from "./arena.ts";
import { FakeQueue, linkedFlags, passed, type RawDescriptor } from "./fake_queue.ts";

const AVAIL = 1 << 7;
const USED = 1 << 15;

/** A driver's packed virtqueue. */
export class FakePackedQueue extends FakeQueue {
  /** Buffer ids that can be given, and how many descriptors each takes that was. */
  readonly #ids: number[] = [];
  readonly #slots = new Map<number, number>();
  #free: number;
  #available = 0;
  #availableWrap = true;
  #used = 0;
  #usedWrap = true;
  /** The flags of the first descriptor that is not visible yet, and how many follow. */
  #first: { readonly slot: number; readonly flags: number } | undefined;
  #unpublished = 0;

  constructor(
    memory: GuestMemory,
    arena: Arena,
    index: number,
    size: number,
    features: QueueFeatures,
  ) {
    super(memory, arena, {
      index,
      size,
      descriptorArea: arena.allocate(16 * size),
      driverArea: arena.allocate(4),
      deviceArea: arena.allocate(4),
    }, features);
    const { descriptorArea, driverArea, deviceArea } = this.configuration;
    memory.fill(descriptorArea, 16 * size, 0);
    memory.fill(driverArea, 4, 0);
    memory.fill(deviceArea, 4, 0);
    this.#free = size;
    for (let id = size - 1; id >= 0; id--) this.#ids.push(id);
  }

  get free(): number {
    return this.#free;
  }

  /** Gives the next buffers these ids, which the device has to take as they are. */
  useIds(ids: readonly number[]): void {
    assert(this.outstanding === 0, "ids can't change while buffers are under way");
    this.#ids.splice(0, this.#ids.length, ...ids.toReversed());
  }

  /** The flags that make a descriptor available in this lap of the ring, or the next. */
  availableFlags(lap = 0): number {
    return this.#availableWrap === (lap % 2 === 0) ? AVAIL : USED;
  }

  /** Where the next buffer will begin. */
  get nextSlot(): number {
    return this.#available;
  }

  override pokeDescriptor(slot: number, descriptor: RawDescriptor, id: number): void {
    const at = this.configuration.descriptorArea + 16 * slot;
    this.writeEntry(at, descriptor, id, descriptor.flags ?? 0);
  }

  override publish(): void {
    if (this.#first === undefined) return;
    const { descriptorArea, deviceArea } = this.configuration;
    const count = this.#unpublished;
    this.memory.store16(descriptorArea + 16 * this.#first.slot + 14, this.#first.flags);
    this.#first = undefined;
    this.#unpublished = 0;
    const mode = this.memory.load16(deviceArea + 2) & 3;
    if (mode === 2 && this.features.eventIdx) {
      const event = this.memory.load16(deviceArea);
      const lap = (event & 0x8000) !== 0 === this.#availableWrap ? 0 : this.size;
      if (passed((event & 0x7fff) - lap, this.#available, count)) this.kickWanted = true;
    } else if (mode !== 1) {
      this.kickWanted = true;
    }
  }

  override wantInterrupts(after?: number): void {
    const { driverArea } = this.configuration;
    if (!this.features.eventIdx) return this.memory.writeU32(driverArea, 0);
    // An event names a descriptor: of buffers with one each, the `after`th from now.
    let offset = this.#used + (after ?? 1) - 1;
    let wrap = this.#usedWrap;
    if (offset >= this.size) {
      offset -= this.size;
      wrap = !wrap;
    }
    this.memory.store16(driverArea, offset | (wrap ? 0x8000 : 0));
    this.memory.store16(driverArea + 2, 2);
  }

  override refuseInterrupts(): void {
    this.memory.store16(this.configuration.driverArea + 2, 1);
  }

  protected override link(descriptors: readonly RawDescriptor[]): number {
    const id = this.#ids.pop();
    assert(id !== undefined, "no buffer id is left");
    for (const [i, descriptor] of descriptors.entries()) {
      const slot = this.#available;
      const flags = (linkedFlags(descriptors, i) & ~(AVAIL | USED)) | this.availableFlags();
      if (this.#first === undefined) {
        // Its flags stay as they are: the device must not see it before the rest.
        this.#first = { slot, flags };
        const before = this.memory.load16(this.configuration.descriptorArea + 16 * slot + 14);
        this.pokeDescriptor(slot, { ...descriptor, flags: before }, id);
      } else {
        this.pokeDescriptor(slot, { ...descriptor, flags }, id);
      }
      if (++this.#available === this.size) {
        this.#available = 0;
        this.#availableWrap = !this.#availableWrap;
      }
    }
    this.#slots.set(id, descriptors.length);
    this.#free -= descriptors.length;
    this.#unpublished += descriptors.length;
    return id;
  }

  protected override writeTable(address: number, descriptors: readonly RawDescriptor[]): void {
    for (const [i, descriptor] of descriptors.entries()) {
      this.writeEntry(address + 16 * i, descriptor, 0, descriptor.flags ?? 0);
    }
  }

  protected override takeUsed(): { readonly id: number; readonly written: number } | undefined {
    const at = this.configuration.descriptorArea + 16 * this.#used;
    const flags = this.memory.load16(at + 14);
    // 2.8.1: used when both bits equal the device's wrap counter.
    if ((flags & (AVAIL | USED)) !== (this.#usedWrap ? AVAIL | USED : 0)) return undefined;
    const id = this.memory.readU16(at + 12);
    const written = this.memory.readU32(at + 8);
    const slots = this.#slots.get(id);
    if (slots === undefined) return { id, written };
    this.#slots.delete(id);
    this.#ids.push(id);
    this.#free += slots;
    this.#used += slots;
    if (this.#used >= this.size) {
      this.#used -= this.size;
      this.#usedWrap = !this.#usedWrap;
    }
    return { id, written };
  }
}

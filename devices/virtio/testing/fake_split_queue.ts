/**
 * The driver's side of a split virtqueue, for tests.
 *
 * Source: virtio 1.2, 2.7.13 and 2.7.14.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { QueueFeatures } from "../queue/virtqueue.ts";
import type { Arena } from "./arena.ts";
import { FakeQueue, linkedFlags, passed, type RawDescriptor } from "./fake_queue.ts";

/** A driver's split virtqueue. */
export class FakeSplitQueue extends FakeQueue {
  readonly #unused: number[] = [];
  /** The descriptors of each chain, by its head. */
  readonly #chains = new Map<number, number[]>();
  #available = 0;
  #published = 0;
  #used = 0;

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
      driverArea: arena.allocate(6 + 2 * size),
      deviceArea: arena.allocate(6 + 8 * size),
    }, features);
    const { descriptorArea, driverArea, deviceArea } = this.configuration;
    memory.fill(descriptorArea, 16 * size, 0);
    memory.fill(driverArea, 6 + 2 * size, 0);
    memory.fill(deviceArea, 6 + 8 * size, 0);
    for (let slot = size - 1; slot >= 0; slot--) this.#unused.push(slot);
  }

  get free(): number {
    return this.#unused.length;
  }

  /** The available index that the device sees. */
  get availableIndex(): number {
    return this.memory.load16(this.configuration.driverArea + 2);
  }

  /** The used index that the device stored. */
  get usedIndex(): number {
    return this.memory.load16(this.configuration.deviceArea + 2);
  }

  /** Begins at another index than 0, on both sides: how a driver is after that many buffers. Nothing is under way. */
  startAt(index: number): void {
    this.#available = this.#published = this.#used = index;
    this.pokeAvailableIndex(index);
    this.memory.store16(this.configuration.deviceArea + 2, index);
    this.wantInterrupts();
  }

  /** Stores any available index. */
  pokeAvailableIndex(index: number): void {
    this.memory.store16(this.configuration.driverArea + 2, index & 0xffff);
  }

  /** Stores any head into the available ring. */
  pokeAvailable(position: number, head: number): void {
    const slot = position & (this.size - 1);
    this.memory.writeU16(this.configuration.driverArea + 4 + 2 * slot, head);
  }

  override pokeDescriptor(slot: number, descriptor: RawDescriptor, next: number): void {
    const at = this.configuration.descriptorArea + 16 * slot;
    this.writeEntry(at, descriptor, descriptor.flags ?? 0, next);
  }

  override publish(): void {
    const { deviceArea } = this.configuration;
    const count = (this.#available - this.#published) & 0xffff;
    this.pokeAvailableIndex(this.#available);
    this.#published = this.#available;
    if (this.features.eventIdx) {
      const event = this.memory.load16(deviceArea + 4 + 8 * this.size);
      if (passed(event, this.#available, count)) this.kickWanted = true;
    } else if (count > 0 && (this.memory.load16(deviceArea) & 1) === 0) {
      this.kickWanted = true;
    }
  }

  override wantInterrupts(after = 1): void {
    const { driverArea } = this.configuration;
    if (!this.features.eventIdx) return this.memory.store16(driverArea, 0);
    this.memory.store16(driverArea + 4 + 2 * this.size, (this.#used + after - 1) & 0xffff);
  }

  override refuseInterrupts(): void {
    const { driverArea } = this.configuration;
    if (!this.features.eventIdx) return this.memory.store16(driverArea, 1);
    this.memory.store16(driverArea + 4 + 2 * this.size, (this.#used - 1) & 0xffff);
  }

  protected override link(descriptors: readonly RawDescriptor[]): number {
    const slots = descriptors.map(() => this.#unused.pop() ?? 0);
    for (const [i, descriptor] of descriptors.entries()) {
      const flags = linkedFlags(descriptors, i);
      this.pokeDescriptor(slots[i], { ...descriptor, flags }, slots[i + 1] ?? 0);
    }
    this.#chains.set(slots[0], slots);
    this.pokeAvailable(this.#available, slots[0]);
    this.#available = (this.#available + 1) & 0xffff;
    return slots[0];
  }

  protected override writeTable(address: number, descriptors: readonly RawDescriptor[]): void {
    for (const [i, descriptor] of descriptors.entries()) {
      this.writeEntry(address + 16 * i, descriptor, linkedFlags(descriptors, i), i + 1);
    }
  }

  protected override takeUsed(): { readonly id: number; readonly written: number } | undefined {
    if (this.usedIndex === this.#used) return undefined;
    const at = this.configuration.deviceArea + 4 + 8 * (this.#used & (this.size - 1));
    const id = this.memory.readU32(at);
    const written = this.memory.readU32(at + 4);
    this.#used = (this.#used + 1) & 0xffff;
    for (const slot of (this.#chains.get(id) ?? []).reverse()) this.#unused.push(slot);
    this.#chains.delete(id);
    return { id, written };
  }
}

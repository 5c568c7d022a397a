/**
 * The driver's side of one virtqueue, for tests: what is common to both layouts.
 *
 * It is written from the specification's driver requirements and from linux/virtio_ring.h, apart from the device's
 * side, and judges that: a buffer that comes back must be under way, with no more bytes written than it has room for.
 * @module
 */
import assert from "node:assert/strict";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE } from "../queue/ring_area.ts";
import type { QueueConfiguration, QueueFeatures } from "../queue/virtqueue.ts";
import type { Arena } from "./arena.ts";

/** A buffer to offer: what the device can read, and how many bytes it can write, in pieces. */
export interface FakeBuffer {
  readonly readable?: readonly Uint8Array[];
  readonly writable?: readonly number[];
}

/** A buffer that came back. */
export interface Completion {
  /** What {@linkcode FakeQueue.offer} gave for it. */
  readonly token: number;
  /** How many bytes the device says it wrote. */
  readonly written: number;
  /** Those bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The whole device-writable part, in case the device wrote more than it says. */
  readonly writable: Uint8Array<ArrayBuffer>;
}

/** A descriptor as tests write it: links and marks of availability are added. */
export interface RawDescriptor {
  /** The guest address; a number above 2^53 is not exact. */
  readonly address: number;
  readonly length: number;
  /** VIRTQ_DESC_F_*: NEXT is added to all but the last. */
  readonly flags?: number;
}

interface Piece {
  readonly address: number;
  readonly length: number;
}

/** What is known about a buffer that is under way. */
interface Outstanding {
  readonly token: number;
  readonly writable: readonly Piece[];
  /** What is to be released when it comes back. */
  readonly owned: readonly Piece[];
  /** The bytes that the device may write at most. */
  readonly room: number;
}

/** The driver's side of a virtqueue. */
export abstract class FakeQueue {
  readonly configuration: QueueConfiguration;
  readonly size: number;
  /** Whether the device asked to be told about what was published since this was last set to false. */
  kickWanted = false;
  protected readonly memory: GuestMemory;
  protected readonly features: QueueFeatures;
  readonly #arena: Arena;
  /** By the name that the ring gives it: a head, or a buffer id. */
  readonly #outstanding = new Map<number, Outstanding>();
  #tokens = 0;

  protected constructor(
    memory: GuestMemory,
    arena: Arena,
    configuration: QueueConfiguration,
    features: QueueFeatures,
  ) {
    this.memory = memory;
    this.#arena = arena;
    this.configuration = configuration;
    this.size = configuration.size;
    this.features = features;
  }

  /** How many descriptors are free. */
  abstract readonly free: number;

  /** How many buffers are under way. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Puts a buffer into the queue and shows it to the device. @returns a name for it */
  offer(buffer: FakeBuffer): number {
    const token = this.add(buffer);
    this.publish();
    return token;
  }

  /** Puts a buffer into the queue; the device sees it after {@linkcode publish}. */
  add(buffer: FakeBuffer): number {
    const owned: Piece[] = [];
    const take = (length: number): Piece => {
      const piece = { address: this.#arena.allocate(length), length };
      owned.push(piece);
      return piece;
    };
    const descriptors: RawDescriptor[] = [];
    for (const bytes of buffer.readable ?? []) {
      const piece = take(bytes.length);
      this.memory.write(piece.address, bytes);
      descriptors.push(piece);
    }
    const writable = (buffer.writable ?? []).map((length) => {
      const piece = take(length);
      this.memory.fill(piece.address, length, 0);
      return piece;
    });
    for (const piece of writable) descriptors.push({ ...piece, flags: DESC_F_WRITE });
    if (!this.features.indirect || descriptors.length < 2) {
      return this.#add(descriptors, writable, owned);
    }
    const length = descriptors.length * 16;
    const table = take(length);
    this.writeTable(table.address, descriptors);
    const indirect = { address: table.address, length, flags: DESC_F_INDIRECT };
    return this.#add([indirect], writable, owned);
  }

  /** Puts descriptors into the queue as they are, and shows them to the device. */
  offerRaw(descriptors: readonly RawDescriptor[]): number {
    const token = this.#add(descriptors, [], []);
    this.publish();
    return token;
  }

  /** Takes memory that stays taken. */
  allocate(length: number): number {
    return this.#arena.allocate(length);
  }

  /** Writes a table of descriptors for an indirect one, and returns where it is. */
  rawTable(descriptors: readonly RawDescriptor[]): number {
    const address = this.#arena.allocate(descriptors.length * 16);
    this.writeTable(address, descriptors);
    return address;
  }

  /** The buffers that came back since the last call, in the device's order. */
  collect(): Completion[] {
    const done: Completion[] = [];
    for (let next = this.takeUsed(); next !== undefined; next = this.takeUsed()) {
      const { id, written } = next;
      const outstanding = this.#outstanding.get(id);
      assert(outstanding !== undefined, `buffer ${id} came back, but is not under way`);
      assert(
        written <= outstanding.room,
        `${written} bytes were written to a buffer with room for ${outstanding.room}`,
      );
      this.#outstanding.delete(id);
      const writable = this.#contents(outstanding.writable);
      for (const { address, length } of outstanding.owned) this.#arena.release(address, length);
      const bytes = writable.slice(0, written);
      done.push({ token: outstanding.token, written, bytes, writable });
    }
    return done;
  }

  /** Shows the device all that was added, and notes whether it wants to be told. */
  abstract publish(): void;
  /** Asks for an interrupt when the `after`th buffer from now comes back. */
  abstract wantInterrupts(after?: number): void;
  /** Asks for no interrupts. */
  abstract refuseInterrupts(): void;
  /** Writes one descriptor of the ring or table, all of it. @param id or `next` */
  abstract pokeDescriptor(slot: number, descriptor: RawDescriptor, id: number): void;

  protected abstract link(descriptors: readonly RawDescriptor[]): number;
  protected abstract writeTable(address: number, descriptors: readonly RawDescriptor[]): void;
  protected abstract takeUsed(): { readonly id: number; readonly written: number } | undefined;

  /** Writes 16 bytes: the last two halfwords are in the order of the layout. */
  protected writeEntry(at: number, descriptor: RawDescriptor, twelve: number, last: number): void {
    const { address, length } = descriptor;
    this.memory.writeU32(at, address % 0x1_0000_0000);
    this.memory.writeU32(at + 4, Math.floor(address / 0x1_0000_0000));
    this.memory.writeU32(at + 8, length);
    this.memory.writeU16(at + 12, twelve);
    this.memory.store16(at + 14, last);
  }

  #add(descriptors: readonly RawDescriptor[], writable: Piece[], owned: Piece[]): number {
    assert(descriptors.length <= this.free, `the queue has room for ${this.free} descriptors`);
    const id = this.link(descriptors);
    const token = this.#tokens++;
    const room = owned.length === 0
      ? Infinity
      : writable.reduce((sum, { length }) => sum + length, 0);
    this.#outstanding.set(id, { token, writable, owned, room });
    return token;
  }

  #contents(pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { address, length } of pieces) {
      this.memory.read(address, bytes.subarray(at, at + length));
      at += length;
    }
    return bytes;
  }
}

/** Flags of the descriptor at `i` of a list: NEXT is added to all but the last. */
export function linkedFlags(descriptors: readonly RawDescriptor[], i: number): number {
  const flags = descriptors[i].flags ?? 0;
  return i + 1 < descriptors.length ? flags | DESC_F_NEXT : flags;
}

/** Whether the event at `event` is among the `count` before `next` (vring_need_event of linux/virtio_ring.h). */
export function passed(event: number, next: number, count: number): boolean {
  return ((next - event - 1) & 0xffff) < count;
}

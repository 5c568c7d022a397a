/**
 * What a hostile driver does to its queues: requests that are nearly right, and rings that are wrong.
 * @module
 */
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE } from "../queue/ring_area.ts";
import { FakePackedQueue } from "./fake_packed_queue.ts";
import type { FakeBuffer, FakeQueue, RawDescriptor } from "./fake_queue.ts";
import { FakeSplitQueue } from "./fake_split_queue.ts";
import type { GuardedMemory } from "./guarded_memory.ts";
import type { Random } from "./random.ts";

/** The most bytes of one piece of a mutated request. */
const MOST_BYTES = 64 << 10;

/** A request with some of its bytes, lengths and divisions changed. */
export function mutate(random: Random, request: FakeBuffer): FakeBuffer {
  let bytes = concatenate(request.readable ?? []);
  let writable = [...request.writable ?? []];
  for (let changes = random.between(1, 4); changes > 0; changes--) {
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        mutateBytes(random, bytes);
        break;
      case 3:
        bytes = bytes.slice(0, random.below(bytes.length + 1));
        break;
      case 4:
        bytes = concatenate([bytes, random.bytes(random.length(4096))]);
        break;
      case 5:
        writable = writable.slice(0, random.below(writable.length + 1));
        break;
      case 6:
        writable.splice(random.below(writable.length + 1), 0, random.length(MOST_BYTES));
        break;
      default:
        if (writable.length > 0) writable[random.below(writable.length)] = random.length(512);
    }
  }
  return { readable: divide(random, bytes), writable };
}

/** Sets a bit, a byte or a number somewhere: most often at the front, where headers are. */
function mutateBytes(random: Random, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const at = random.below(random.oneIn(4) ? bytes.length : Math.min(bytes.length, 64));
  const value = random.edge();
  if (random.oneIn(3)) {
    bytes[at] ^= 1 << random.below(8);
  } else {
    const size = random.pick([1, 2, 4, 8]);
    for (let i = 0; i < size && at + i < bytes.length; i++) {
      bytes[at + i] = i < 4 ? value >>> (8 * i) : 0;
    }
  }
}

/** Cuts bytes into pieces, of which some are empty. */
export function divide(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && pieces.length < 6) {
    const length = random.oneIn(2) ? bytes.length - at : random.below(bytes.length - at + 1);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) pieces.push(bytes.subarray(at));
  return pieces;
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Descriptors that point anywhere, of any length, with any flags. */
export function hostileChain(
  random: Random,
  guarded: GuardedMemory,
  queue: FakeQueue,
): RawDescriptor[] {
  const count = random.between(1, Math.min(queue.free, random.oneIn(8) ? 32 : 4));
  return Array.from({ length: count }, () => hostileDescriptor(random, guarded, queue, 0));
}

function hostileDescriptor(
  random: Random,
  guarded: GuardedMemory,
  queue: FakeQueue,
  depth: number,
): RawDescriptor {
  if (depth < 2 && random.oneIn(6)) {
    const count = random.between(1, 8);
    const table = Array.from(
      { length: count },
      () => hostileDescriptor(random, guarded, queue, depth + 1),
    );
    const length = random.oneIn(4) ? random.edge() : 16 * count;
    return {
      address: queue.rawTable(table),
      length,
      flags: DESC_F_INDIRECT | hostileFlags(random),
    };
  }
  const address = hostileAddress(random, guarded, queue);
  const length = random.oneIn(3) ? random.edge() : random.length(MOST_BYTES);
  const flags = random.oneIn(8) ? hostileFlags(random) : random.oneIn(2) ? DESC_F_WRITE : 0;
  // The island is there to be left alone; flags may be changed later.
  return { address, length: guarded.touchesIsland(address, length) ? 0 : length, flags };
}

function hostileFlags(random: Random): number {
  if (random.oneIn(8)) return random.u32() & 0xffff;
  return random.oneIn(3) ? DESC_F_NEXT : 0;
}

/** An address in RAM, at its edges, in the queue's own rings, or where nothing is. */
function hostileAddress(random: Random, guarded: GuardedMemory, queue: FakeQueue): number {
  const { memory } = guarded;
  const [first, second] = memory.regions;
  const near = random.between(-64, 64);
  switch (random.below(8)) {
    case 0:
      return Math.max(0, first.size + near);
    case 1:
      return Math.max(0, memory.end + near);
    case 2: {
      const { descriptorArea, driverArea, deviceArea } = queue.configuration;
      return Math.max(0, random.pick([descriptorArea, driverArea, deviceArea]) + near);
    }
    case 3:
      return random.pick([2 ** 32, 2 ** 52, 2 ** 53, 2 ** 63, 2 ** 64 - 4096]) -
        random.pick([0, 4096]);
    case 4:
      return second.guestAddress + random.below(second.size);
    default:
      return random.below(first.size);
  }
}

/** Changes a ring behind the device's back. */
export function pokeRing(random: Random, guarded: GuardedMemory, queue: FakeQueue): void {
  const { memory } = guarded;
  const { descriptorArea, driverArea, deviceArea } = queue.configuration;
  const slot = random.below(queue.size);
  const id = random.oneIn(2) ? random.below(queue.size) : random.edge() & 0xffff;
  if (random.oneIn(3)) {
    const descriptor = hostileDescriptor(random, guarded, queue, 0);
    const [avail, used] = [random.pick([0, 0x80]), random.pick([0, 0x8000])];
    const flags = (descriptor.flags ?? 0) | (random.oneIn(2) ? DESC_F_NEXT : 0);
    const marks = queue instanceof FakePackedQueue ? avail | used : 0;
    queue.pokeDescriptor(slot, { ...descriptor, flags: flags | marks }, id);
  } else if (queue instanceof FakeSplitQueue) {
    if (random.oneIn(2)) queue.pokeAvailable(random.below(queue.size), id);
    const step = random.oneIn(2) ? random.between(-2, queue.size + 2) : random.edge();
    if (random.oneIn(2)) queue.pokeAvailableIndex(queue.availableIndex + step);
  } else {
    memory.writeU16(descriptorArea + 16 * slot + random.pick([12, 14]), random.u32() & 0xffff);
  }
  const area = random.pick([driverArea, deviceArea]);
  if (random.oneIn(4)) memory.writeU16(area + 2 * random.below(2), random.edge() & 0xffff);
}

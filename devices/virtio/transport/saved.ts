/**
 * Saving and restoring what a transport and a core share: registers, queues, vectors and configuration.
 *
 * A reset that is pending is not saved: its registers are the next driver's already, and a core that is opened
 * anew has nothing to let go of. Nor is what the machine's wiring was: it is made anew from the registers.
 *
 * @module
 */
import { DeviceStateError, type StateReader } from "../../state.ts";
import { hasFeature, Status, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from "../features.ts";
import { NO_VECTOR, QueueWord, VectorWord, VirtioShared, Word } from "../shared.ts";
import type { VirtioSlot } from "../slot.ts";

const U32 = 0xffff_ffff;
const STATUS_BITS = Status.acknowledge | Status.driver | Status.driverOk | Status.featuresOk |
  Status.needsReset | Status.failed;

/** The highest value of each word of the device. */
const DEVICE_WORDS = {
  status: STATUS_BITS,
  deviceFeaturesSelect: U32,
  driverFeaturesSelect: U32,
  driverFeaturesLow: U32,
  driverFeaturesHigh: U32,
  queueSelect: U32,
  generation: U32,
  interruptStatus: 3,
  configVector: NO_VECTOR,
  configWritten: 1,
  msix: 3,
  pinDisabled: 1,
} as const;

/** The highest value of each word of a queue. */
const QUEUE_WORDS = {
  size: 0x8000,
  ready: 1,
  descriptorLow: U32,
  descriptorHigh: U32,
  driverLow: U32,
  driverHigh: U32,
  deviceLow: U32,
  deviceHigh: U32,
  vector: NO_VECTOR,
  nextAvailable: 0xffff,
  nextUsed: 0xffff,
  positioned: 1,
} as const;

/** The highest value of each word of a vector. */
const VECTOR_WORDS = {
  addressLow: U32,
  addressHigh: U32,
  data: U32,
  masked: 3,
  pending: 1,
} as const;

/**
 * All of it by field name; the core has stopped and noted its queues' positions.
 *
 * @param prefix of the fields' names, where one state has several devices
 */
export function saveShared(
  slot: VirtioSlot,
  prefix = "",
): Record<string, number | readonly number[]> {
  const shared = new VirtioShared(slot.shared);
  const saved: Record<string, number | readonly number[]> = {};
  for (const word of keys(DEVICE_WORDS)) saved[prefix + word] = shared.get(Word[word]);
  const queues = slot.shared.queueSizes.map((_, index) => index);
  for (const word of keys(QUEUE_WORDS)) {
    saved[prefix + nameOf("queue", word)] = queues.map((i) => shared.queue(i, QueueWord[word]));
  }
  const vectors = Array.from({ length: slot.shared.vectors }, (_, index) => index);
  for (const word of keys(VECTOR_WORDS)) {
    saved[prefix + nameOf("vector", word)] = vectors.map((i) => shared.vector(i, VectorWord[word]));
  }
  saved[prefix + "config"] = Array.from(shared.config);
  return saved;
}

/**
 * Takes what {@linkcode saveShared} gave out of a saved state and checks it.
 *
 * @returns what puts it in place
 * @throws {DeviceStateError}
 */
export function restoreShared(
  kind: string,
  slot: VirtioSlot,
  reader: StateReader,
  prefix = "",
): () => void {
  const { queueSizes, vectors, configSize } = slot.shared;
  const device = keys(DEVICE_WORDS).map((word) =>
    [word, reader.integer(prefix + word, 0, DEVICE_WORDS[word])] as const
  );
  const queues = keys(QUEUE_WORDS).map((word) => {
    const field = prefix + nameOf("queue", word);
    return [word, reader.integers(field, queueSizes.length, 0, QUEUE_WORDS[word])] as const;
  });
  const table = keys(VECTOR_WORDS).map((word) => {
    const field = prefix + nameOf("vector", word);
    return [word, reader.integers(field, vectors, 0, VECTOR_WORDS[word])] as const;
  });
  const config = reader.bytes(prefix + "config", configSize, configSize);
  const problem = inconsistency(slot, Object.fromEntries(device), Object.fromEntries(queues));
  if (problem !== undefined) throw new DeviceStateError(kind, `${slot.id}: ${problem}`);
  return () => {
    const shared = new VirtioShared(slot.shared);
    for (const [word, value] of device) shared.set(Word[word], value);
    shared.set(Word.reset, 0);
    for (const [word, values] of queues) {
      for (const [i, value] of values.entries()) shared.setQueue(i, QueueWord[word], value);
    }
    for (const [word, values] of table) {
      for (const [i, value] of values.entries()) shared.setVector(i, VectorWord[word], value);
    }
    for (let i = 0; i < vectors; i++) shared.setVector(i, VectorWord.routed, 0);
    shared.config.set(config);
  };
}

/** What registers never show together; the core relies on that. */
function inconsistency(
  { features, shared: { queueSizes, vectors } }: VirtioSlot,
  device: Record<string, number>,
  queues: Record<string, readonly number[]>,
): string | undefined {
  const { status, driverFeaturesLow, driverFeaturesHigh, configVector } = device;
  const isVector = (vector: number) => vector === NO_VECTOR || vector < vectors;
  if (!isVector(configVector) || !queues.vector.every(isVector)) {
    return "a vector that does not exist is in use";
  }
  if (queues.size.some((size, i) => size === 0 || size > queueSizes[i])) {
    return "a queue's size is out of bounds";
  }
  if ((status & Status.featuresOk) === 0) {
    const isUsed = (status & Status.driverOk) !== 0 || queues.ready.some((ready) => ready !== 0);
    return isUsed ? "it is in use without FEATURES_OK" : undefined;
  }
  const accepted = (BigInt(driverFeaturesHigh) << 32n) | BigInt(driverFeaturesLow);
  if ((accepted & ~features) !== 0n || !hasFeature(accepted, VIRTIO_F_VERSION_1)) {
    return "its driver has accepted features that are not offered";
  }
  const isPacked = hasFeature(accepted, VIRTIO_F_RING_PACKED);
  const isOdd = (size: number, i: number) => queues.ready[i] !== 0 && (size & (size - 1)) !== 0;
  return !isPacked && queues.size.some(isOdd) ? "a queue's size is no power of two" : undefined;
}

function nameOf(group: string, word: string): string {
  return group + word[0].toUpperCase() + word.slice(1);
}

function keys<K extends string>(record: Readonly<Record<K, number>>): K[] {
  return Object.keys(record) as K[];
}

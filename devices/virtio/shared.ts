/**
 * The state of one virtio device that its transport (in every vCPU's isolate) and its core (in an I/O isolate)
 * share.
 *
 * Who writes what:
 *
 * | words                                   | written by                                                     |
 * | --------------------------------------- | -------------------------------------------------------------- |
 * | selectors, features, queues, vectors    | the transport, under the bus lock                               |
 * | status                                  | both, by Atomics: the transport sets bits and clears all, the core sets DEVICE_NEEDS_RESET |
 * | reset                                   | the transport sets it and waits; the core clears it ({@linkcode VirtioShared.finishReset}) |
 * | interrupt status, pending vectors       | both, by Atomics                                                |
 * | configuration written                   | the transport sets it, the core clears it, by Atomics           |
 * | positions                               | the core, when it has stopped                                   |
 * | configuration, generation               | both, under the configuration's own lock, which nobody holds while waiting |
 *
 * The core never takes the bus lock: a vCPU holds it while it waits for the core to reset.
 *
 * **Reset.** The transport sets `reset`, then clears the registers, then signals the core and waits. The registers
 * are the next driver's from then on; what the core still has in flight is all that the wait is for. The core
 * reads them only by {@linkcode VirtioShared.agreed}, which notices a reset that comes in between.
 * @module
 */
import { DeviceLock } from "../../src/bus/mod.ts";
import { Status } from "./features.ts";
import type { QueueConfiguration, QueuePosition } from "./queue/virtqueue.ts";

/** The words of a device, by index. */
export const Word = {
  lock: 0,
  configLock: 1,
  /** The device status field (2.1). */
  status: 2,
  /** 1 from the driver's reset until the core has let go of the queues. */
  reset: 3,
  deviceFeaturesSelect: 4,
  driverFeaturesSelect: 5,
  driverFeaturesLow: 6,
  driverFeaturesHigh: 7,
  queueSelect: 8,
  /** The configuration's generation (2.5.1). */
  generation: 9,
  /** Bit 0: used buffers; bit 1: the configuration changed (4.2.2, 4.1.4.5). */
  interruptStatus: 10,
  /** The vector of configuration changes, or {@linkcode NO_VECTOR}. */
  configVector: 11,
  /** 1 after the driver wrote to the configuration, until the core has seen it. */
  configWritten: 12,
  /** MSI-X: the bits of {@linkcode Msix}. */
  msix: 13,
  /** 1 while the driver has switched the interrupt pin off (PCI 3.0, 6.2.2, Interrupt Disable). */
  pinDisabled: 14,
  firstQueue: 16,
} as const;

/** The words of one queue, from its first. */
export const QueueWord = {
  size: 0,
  ready: 1,
  descriptorLow: 2,
  descriptorHigh: 3,
  driverLow: 4,
  driverHigh: 5,
  deviceLow: 6,
  deviceHigh: 7,
  /** The vector of its interrupts, or {@linkcode NO_VECTOR}. */
  vector: 8,
  /** Where it goes on ({@linkcode QueuePosition}); valid while the core has stopped. */
  nextAvailable: 9,
  nextUsed: 10,
  /** 1 when the two before are to be used. */
  positioned: 11,
} as const;
const QUEUE_WORDS = 12;

/** The words of one interrupt vector (MSI-X table entry, PCI 3.0, 6.8.2). */
export const VectorWord = {
  addressLow: 0,
  addressHigh: 1,
  data: 2,
  /** Why its messages don't go out: the bits of {@linkcode VectorMask}. */
  masked: 3,
  pending: 4,
  /** 1 when the vector's GSI leads to the message in the three words behind. */
  routed: 5,
  routedLow: 6,
  routedHigh: 7,
  routedData: 8,
} as const;
const VECTOR_WORDS = 9;

/** Bits of {@linkcode VectorWord.masked}. */
export const VectorMask = {
  /** The driver's own mask bit. */
  driver: 1,
  /** What it has written as the address is no interrupt message's. */
  address: 2,
} as const;

/** Bits of {@linkcode Word.msix}. */
export const Msix = { enabled: 1, allMasked: 2 } as const;

/** What is 0 after a reset. */
const CLEARED = [
  Word.status,
  Word.deviceFeaturesSelect,
  Word.driverFeaturesSelect,
  Word.driverFeaturesLow,
  Word.driverFeaturesHigh,
  Word.queueSelect,
  Word.interruptStatus,
  Word.configWritten,
] as const;

/** A vector that leads nowhere (VIRTIO_MSI_NO_VECTOR, 4.1.4.3). */
export const NO_VECTOR = 0xffff;

/** Bits of the interrupt status. */
export const Interrupt = { usedBuffers: 1, configuration: 2 } as const;

/** How large a device's state is. */
export interface SharedShape {
  /** The most descriptors of each queue. */
  readonly queueSizes: readonly number[];
  /** How many interrupt vectors there are; 0 for a transport without. */
  readonly vectors: number;
  /** The bytes of the device's configuration. */
  readonly configSize: number;
}

/** What is posted: the memory with its shape. */
export interface SharedSpec extends SharedShape {
  readonly memory: SharedArrayBuffer;
}

/** What driver and device have agreed on. */
export interface Agreement {
  readonly features: bigint;
  /** By index; undefined for those that the driver did not set up. */
  readonly queues: readonly (QueueConfiguration | undefined)[];
}

/** The shared state, seen from one isolate. */
export class VirtioShared {
  readonly words: Int32Array<SharedArrayBuffer>;
  /** The device's configuration, as the guest sees it. */
  readonly config: Uint8Array<SharedArrayBuffer>;
  /** The lock that the bus holds around register accesses. */
  readonly lock: DeviceLock;
  /** The lock around the configuration and its generation. */
  readonly configLock: DeviceLock;
  readonly shape: SharedShape;
  readonly #firstVector: number;

  /** Memory for a device that was just reset. */
  static allocate(shape: SharedShape, config: Uint8Array): SharedSpec {
    const words = Word.firstQueue + shape.queueSizes.length * QUEUE_WORDS +
      shape.vectors * VECTOR_WORDS;
    const memory = new SharedArrayBuffer(words * 4 + shape.configSize);
    const spec = { ...shape, memory };
    const shared = new VirtioShared(spec);
    shared.config.set(config);
    shared.clear();
    for (let i = 0; i < shape.vectors; i++) {
      shared.setVector(i, VectorWord.masked, VectorMask.driver);
    }
    return spec;
  }

  constructor(spec: SharedSpec) {
    const { memory, queueSizes, vectors, configSize } = spec;
    this.shape = { queueSizes, vectors, configSize };
    this.#firstVector = Word.firstQueue + queueSizes.length * QUEUE_WORDS;
    const words = this.#firstVector + vectors * VECTOR_WORDS;
    this.words = new Int32Array(memory, 0, words);
    this.config = new Uint8Array(memory, words * 4, configSize);
    this.lock = new DeviceLock(this.words, Word.lock);
    this.configLock = new DeviceLock(this.words, Word.configLock);
  }

  /** How many queues there are. */
  get queueCount(): number {
    return this.shape.queueSizes.length;
  }

  /** The value of a word, unsigned. */
  get(word: number): number {
    return Atomics.load(this.words, word) >>> 0;
  }

  /** Stores a word. */
  set(word: number, value: number): void {
    Atomics.store(this.words, word, value);
  }

  /** A word of a queue, which must exist. @param field one of {@linkcode QueueWord} */
  queue(index: number, field: number): number {
    return Atomics.load(this.words, this.#queueWord(index, field)) >>> 0;
  }

  /** Stores a word of a queue. */
  setQueue(index: number, field: number, value: number): void {
    Atomics.store(this.words, this.#queueWord(index, field), value);
  }

  /** A word of a vector, which must exist. @param field one of {@linkcode VectorWord} */
  vector(index: number, field: number): number {
    return Atomics.load(this.words, this.#vectorWord(index, field)) >>> 0;
  }

  /** Stores a word of a vector. @returns what it was */
  setVector(index: number, field: number, value: number): number {
    return Atomics.exchange(this.words, this.#vectorWord(index, field), value) >>> 0;
  }

  /** What the driver has accepted. */
  get driverFeatures(): bigint {
    return BigInt(this.get(Word.driverFeaturesHigh)) << 32n |
      BigInt(this.get(Word.driverFeaturesLow));
  }

  /** A queue as its driver has set it up; undefined for one that is not ready. */
  queueConfiguration(index: number): QueueConfiguration | undefined {
    if (this.queue(index, QueueWord.ready) === 0) return undefined;
    const address = (low: number) =>
      this.queue(index, low) + this.queue(index, low + 1) * 0x1_0000_0000;
    return {
      index,
      size: this.queue(index, QueueWord.size),
      descriptorArea: address(QueueWord.descriptorLow),
      driverArea: address(QueueWord.driverLow),
      deviceArea: address(QueueWord.deviceLow),
      position: this.queue(index, QueueWord.positioned) === 0 ? undefined : {
        nextAvailable: this.queue(index, QueueWord.nextAvailable),
        nextUsed: this.queue(index, QueueWord.nextUsed),
      },
    };
  }

  /** Notes where a stopped queue goes on. */
  setPosition(index: number, position: QueuePosition): void {
    this.setQueue(index, QueueWord.nextAvailable, position.nextAvailable);
    this.setQueue(index, QueueWord.nextUsed, position.nextUsed);
    this.setQueue(index, QueueWord.positioned, 1);
  }

  /**
   * For the core: what its driver has agreed with it, by DRIVER_OK.
   *
   * @returns undefined where the driver isn't ready, has to reset the device first, or has begun to meanwhile
   */
  agreed(): Agreement | undefined {
    const ready = Status.driverOk | Status.featuresOk;
    if ((this.get(Word.status) & (ready | Status.needsReset)) !== ready) return undefined;
    const features = this.driverFeatures;
    const queues = this.shape.queueSizes.map((_, index) => this.queueConfiguration(index));
    // A reset is requested before anything is cleared: without a request, all that was read is of one piece.
    return this.get(Word.reset) === 0 ? { features, queues } : undefined;
  }

  /** For the core: it has let go of queues and memory, and forgotten its driver. Ends the transport's wait. */
  finishReset(): void {
    // What the core has told the driver that is gone must not reach the next one.
    Atomics.and(this.words, Word.status, ~Status.needsReset);
    this.set(Word.interruptStatus, 0);
    for (let i = 0; i < this.shape.vectors; i++) this.setVector(i, VectorWord.pending, 0);
    this.set(Word.reset, 0);
    Atomics.notify(this.words, Word.reset);
  }

  /**
   * For the transport: all that a reset makes new (2.1, 4.1.4.3, 4.2.2): status, features, queues, interrupt status
   * and vectors of events. The configuration, the MSI-X table and the PCI registers are not the driver's registers
   * and stay.
   */
  clear(): void {
    for (const word of CLEARED) this.set(word, 0);
    this.set(Word.configVector, NO_VECTOR);
    for (const [index, size] of this.shape.queueSizes.entries()) {
      for (let field = 0; field < QUEUE_WORDS; field++) this.setQueue(index, field, 0);
      this.setQueue(index, QueueWord.size, size);
      this.setQueue(index, QueueWord.vector, NO_VECTOR);
    }
  }

  #queueWord(index: number, field: number): number {
    return Word.firstQueue + index * QUEUE_WORDS + field;
  }

  #vectorWord(index: number, field: number): number {
    return this.#firstVector + index * VECTOR_WORDS + field;
  }
}

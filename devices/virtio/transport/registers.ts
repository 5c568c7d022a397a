/**
 * What the registers of both transports have in common: the device status, feature negotiation, the setting up of
 * queues, the configuration space and notifications.
 *
 * The registers are shared by all vCPUs' isolates and change under the lock that the bus holds. The device's core,
 * in its own isolate, is signalled when there's something for it to look at.
 *
 * A driver's reset takes effect on the registers at once; the core may still have requests in flight, whose memory
 * the driver would otherwise reuse, so the access waits for the core. Where the machine wants the vCPU meanwhile,
 * the reset stays pending and the status reads as DEVICE_NEEDS_RESET until the core has let go.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | status bits | only the driver's bits are taken, and only in an order that leaves a usable device |
 * | features | FEATURES_OK is not taken unless all were offered and VERSION_1 is among them |
 * | the queue selector | a queue that does not exist reads 0 and takes nothing |
 * | size, addresses of a queue | bounded by the device's maximum; only before the queue is ready; addresses are checked by the core |
 * | configuration writes | only bytes that the device declares writable, and one signal until the core has seen them |
 * | resets | one is carried out at a time; the wait asks `interrupted()` every 20 ms |
 *
 * Source: virtio 1.2, 2.1 to 2.5 and 3.1.
 *
 * @module
 */
import type { AccessSize, IrqLine } from "../../../src/bus/mod.ts";
import type { AttachContext } from "../../device.ts";
import { Status, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from "../features.ts";
import { QueueWord, VirtioShared, Word } from "../shared.ts";
import type { VirtioSlot } from "../slot.ts";

/** The bits that a driver sets; DEVICE_NEEDS_RESET is the device's (2.1). */
const DRIVER_BITS = Status.acknowledge | Status.driver | Status.driverOk | Status.featuresOk |
  Status.failed;
/** With one of these the core has something to let go of. */
const TOUCHED = Status.driverOk | Status.needsReset;

/** How long a wait for the core lasts before the machine is asked whether it goes on, in milliseconds. */
const SLICE_MS = 20;

/** The registers of one device in one isolate. */
export class VirtioRegisters {
  readonly shared: VirtioShared;
  readonly deviceType: number;
  readonly #offeredLow: number;
  readonly #offeredHigh: number;
  /** For each byte of the configuration whether the driver may write it. */
  readonly #writable: Uint8Array;
  readonly #kicks: readonly IrqLine[];
  readonly #control: IrqLine;
  readonly #interrupted: () => boolean;

  constructor(slot: VirtioSlot, context: Pick<AttachContext, "irq" | "interrupted">) {
    this.shared = new VirtioShared(slot.shared);
    this.deviceType = slot.deviceType;
    this.#offeredLow = Number(slot.features & 0xffff_ffffn);
    this.#offeredHigh = Number((slot.features >> 32n) & 0xffff_ffffn);
    this.#writable = new Uint8Array(slot.shared.configSize);
    for (const { offset, size } of slot.writableConfig) {
      this.#writable.fill(1, offset, offset + size);
    }
    this.#kicks = slot.kicks.map((fd) => context.irq(fd));
    this.#control = context.irq(slot.control);
    this.#interrupted = () => context.interrupted();
  }

  /** The device status; never 0 while a reset is pending. */
  get status(): number {
    const status = this.shared.get(Word.status);
    return this.resetPending ? status | Status.needsReset : status;
  }

  /** Whether the core still has to let go of what the driver before has set up. */
  get resetPending(): boolean {
    return this.shared.get(Word.reset) !== 0;
  }

  /**
   * Sets bits of the device status, or resets the device by 0.
   *
   * @param patience how long a reset waits for the core, in milliseconds
   */
  writeStatus(value: number, patience: number): void {
    if (value === 0) {
      this.#reset(patience);
      return;
    }
    const before = this.shared.get(Word.status);
    let taken = value & DRIVER_BITS & ~before;
    if ((taken & Status.featuresOk) !== 0 && !this.#featuresAcceptable()) {
      taken &= ~Status.featuresOk;
    }
    const after = before | taken;
    if ((after & Status.featuresOk) === 0 || (after & Status.failed) !== 0) {
      taken &= ~Status.driverOk;
    }
    // The core may set its own bit at any moment.
    Atomics.or(this.shared.words, Word.status, taken);
    if ((taken & Status.driverOk) !== 0) this.#control.trigger();
  }

  #reset(patience: number): void {
    const { shared } = this;
    if (!this.resetPending && (shared.get(Word.status) & TOUCHED) === 0) {
      shared.clear();
      return;
    }
    // In this order: see VirtioShared.agreed.
    shared.set(Word.reset, 1);
    shared.clear();
    this.#control.trigger();
    this.awaitReset(patience);
  }

  /** Waits for a pending reset, until the machine wants the vCPU. @param patience in milliseconds */
  awaitReset(patience: number): void {
    for (let waited = 0; this.resetPending && waited < patience; waited += SLICE_MS) {
      Atomics.wait(this.shared.words, Word.reset, 1, SLICE_MS);
      if (this.#interrupted()) return;
    }
  }

  #featuresAcceptable(): boolean {
    const low = this.shared.get(Word.driverFeaturesLow);
    const high = this.shared.get(Word.driverFeaturesHigh);
    return (low & ~this.#offeredLow) === 0 && (high & ~this.#offeredHigh) === 0 &&
      (high & highBit(VIRTIO_F_VERSION_1)) !== 0;
  }

  /** 32 of the bits that are offered, as the selector says. */
  get deviceFeatures(): number {
    const select = this.shared.get(Word.deviceFeaturesSelect);
    return select === 0 ? this.#offeredLow : select === 1 ? this.#offeredHigh : 0;
  }

  /** 32 of the bits that the driver has accepted, as the selector says. */
  get driverFeatures(): number {
    const word = this.#driverFeaturesWord();
    return word < 0 ? 0 : this.shared.get(word);
  }

  /** Accepts features; they are settled by FEATURES_OK. */
  set driverFeatures(value: number) {
    const word = this.#driverFeaturesWord();
    if (word < 0 || this.#has(Status.featuresOk)) return;
    this.shared.set(word, value);
  }

  #driverFeaturesWord(): number {
    const select = this.shared.get(Word.driverFeaturesSelect);
    return select === 0 ? Word.driverFeaturesLow : select === 1 ? Word.driverFeaturesHigh : -1;
  }

  /** The selected queue's number, or -1 for one that does not exist. */
  get selectedQueue(): number {
    const index = this.shared.get(Word.queueSelect);
    return index < this.shared.queueCount ? index : -1;
  }

  /** The most descriptors of the selected queue; 0 for one that does not exist. */
  get queueSizeMax(): number {
    const index = this.selectedQueue;
    return index < 0 ? 0 : this.shared.shape.queueSizes[index];
  }

  /** A word of the selected queue ({@linkcode QueueWord}); 0 for one that does not exist. */
  readQueue(field: number): number {
    const index = this.selectedQueue;
    return index < 0 ? 0 : this.shared.queue(index, field);
  }

  /** Sets the size of the selected queue; one that is out of bounds is ignored. */
  writeQueueSize(value: number): void {
    if (value >= 1 && value <= this.queueSizeMax) this.writeQueue(QueueWord.size, value);
  }

  /** Sets a word of the selected queue, if it isn't ready yet and the driver neither. */
  writeQueue(field: number, value: number): void {
    const index = this.selectedQueue;
    if (index < 0 || this.#has(Status.driverOk)) return;
    if (this.shared.queue(index, QueueWord.ready) !== 0) return;
    this.shared.setQueue(index, field, value);
  }

  /** Makes the selected queue ready, or takes that back, before the driver is ready itself. */
  writeQueueReady(ready: boolean): void {
    const index = this.selectedQueue;
    if (index < 0 || this.#has(Status.driverOk)) return;
    // What sizes are allowed depends on the features.
    const enabled = ready && this.#has(Status.featuresOk) && this.#sizeAcceptable(index);
    this.shared.setQueue(index, QueueWord.ready, enabled ? 1 : 0);
  }

  /** Split queues have a power of two of descriptors (2.7), packed ones any number (2.8.10.1). */
  #sizeAcceptable(index: number): boolean {
    const size = this.shared.queue(index, QueueWord.size);
    const high = this.shared.get(Word.driverFeaturesHigh);
    return (high & highBit(VIRTIO_F_RING_PACKED)) !== 0 || (size & (size - 1)) === 0;
  }

  /** A notification that came as a register access. */
  notify(queue: number): void {
    if (queue < this.#kicks.length) this.#kicks[queue].trigger();
  }

  /** Reads the configuration space; 0 behind its end. */
  readConfig(offset: number, size: AccessSize): number {
    const { config, configLock } = this.shared;
    let value = 0;
    configLock.acquire();
    for (let i = 0; i < size && offset + i < config.length; i++) {
      value |= config[offset + i] << (8 * i);
    }
    configLock.release();
    return value >>> 0;
  }

  /** Writes those bytes of the configuration space that are the driver's to write. */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    const { config, configLock, words } = this.shared;
    let isChanged = false;
    configLock.acquire();
    for (let i = 0; i < size && offset + i < config.length; i++) {
      if (this.#writable[offset + i] === 0) continue;
      config[offset + i] = (value >>> (8 * i)) & 0xff;
      isChanged = true;
    }
    configLock.release();
    if (isChanged && Atomics.exchange(words, Word.configWritten, 1) === 0) this.#control.trigger();
  }

  #has(status: number): boolean {
    return (this.shared.get(Word.status) & status) !== 0;
  }
}

/** A feature's bit among those from 32 on. */
function highBit(feature: number): number {
  return 1 << (feature - 32);
}

/**
 * The MMIO transport, version 2: one page of registers, one interrupt line, notifications by one register.
 *
 * Registers are 32 bits wide and aligned; other accesses read 0 and write nothing, except in the configuration
 * space. The machine binds {@linkcode mmioDoorbells}, so that notifications do not get here.
 *
 * State: the device's shared words behind its own lock, which the bus takes.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | offset and width of accesses | the page; what is no register reads 0 and writes nothing |
 * | what it writes | the common registers: see registers.ts |
 * | notifications of queues that do not exist | ignored |
 *
 * Source: virtio 1.2, 4.2.
 *
 * @module
 */
import type { AccessSize, BusDevice } from "../../../src/bus/mod.ts";
import type { AttachContext, DeviceModule, DeviceSpec, Doorbell } from "../../device.ts";
import { StateReader } from "../../state.ts";
import { QueueWord, type VirtioShared, Word } from "../shared.ts";
import type { VirtioSlot } from "../slot.ts";
import { VirtioRegisters } from "./registers.ts";
import { restoreShared, saveShared } from "./saved.ts";

const KIND = "virtio-mmio";
const VERSION = 1;

/** The size of the window of registers, in bytes. */
export const MMIO_WINDOW = 0x1000;

/** Offsets of the registers (4.2.2, table 4.1). */
export const MmioRegister = {
  magicValue: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendorId: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  queueSel: 0x030,
  queueSizeMax: 0x034,
  queueSize: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDescHigh: 0x084,
  queueDriverLow: 0x090,
  queueDriverHigh: 0x094,
  queueDeviceLow: 0x0a0,
  queueDeviceHigh: 0x0a4,
  shmLenLow: 0x0b0,
  shmLenHigh: 0x0b4,
  shmBaseLow: 0x0b8,
  shmBaseHigh: 0x0bc,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;

/** "virt" */
const MAGIC = 0x7472_6976;
const REGISTERS_VERSION = 2;
/** "DNVR" */
const VENDOR = 0x5256_4e44;
const INTERRUPT_BITS = 3;
/** The length of a shared memory region that does not exist (4.2.2). */
const NO_REGION = 0xffff_ffff;

/** What the transport of one device is made with. */
export interface VirtioMmioOptions {
  /** The device; its interrupt is a line, and it has no vectors. */
  readonly slot: VirtioSlot;
  /** The guest physical address of its registers. */
  readonly base: number;
}

/** One device with the MMIO transport. */
export interface VirtioMmioSpec extends DeviceSpec, VirtioMmioOptions {}

/** The MMIO transport. */
export const virtioMmio: DeviceModule<VirtioMmioOptions, VirtioMmioSpec> = {
  kind: KIND,

  create({ slot, base }) {
    if (slot.interrupts.kind !== "line") {
      throw new RangeError(`${slot.id}: the MMIO transport has an interrupt line and no vectors`);
    }
    return { kind: KIND, slot, base };
  },

  attach({ slot, base }, context) {
    const device = new MmioRegisters(slot, context);
    return {
      ranges: [{ space: "mmio", base, size: MMIO_WINDOW, device }],
      lock: device.shared.lock,
    };
  },

  save: ({ slot }) => ({ ...saveShared(slot), version: VERSION }),

  restore({ slot }, state) {
    const reader = new StateReader(KIND, VERSION, state);
    const apply = restoreShared(KIND, slot, reader);
    reader.finish();
    apply();
  },
};

/** The doorbells of a device: a write of each queue's number to QueueNotify signals that queue's eventfd. */
export function mmioDoorbells({ slot, base }: VirtioMmioSpec): Doorbell[] {
  const address = base + MmioRegister.queueNotify;
  return slot.kicks.map((eventfd, queue) => ({ eventfd, address, length: 4, datamatch: queue }));
}

/** The registers in one isolate. */
class MmioRegisters implements BusDevice {
  readonly shared: VirtioShared;
  readonly #registers: VirtioRegisters;

  constructor(slot: VirtioSlot, context: AttachContext) {
    this.#registers = new VirtioRegisters(slot, context);
    this.shared = this.#registers.shared;
  }

  read(offset: number, size: AccessSize): number {
    this.#settle();
    if (offset >= MmioRegister.config) {
      return this.#registers.readConfig(offset - MmioRegister.config, size);
    }
    return size === 4 ? this.#read(offset) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.#settle();
    if (offset >= MmioRegister.config) {
      this.#registers.writeConfig(offset - MmioRegister.config, size, value);
    } else if (size === 4) this.#write(offset, value);
  }

  /** A driver need not ask whether its reset is complete, so a reset that is pending holds up whatever comes. */
  #settle(): void {
    if (this.#registers.resetPending) this.#registers.awaitReset(Infinity);
  }

  #read(offset: number): number {
    const registers = this.#registers;
    switch (offset) {
      case MmioRegister.magicValue:
        return MAGIC;
      case MmioRegister.version:
        return REGISTERS_VERSION;
      case MmioRegister.deviceId:
        return registers.deviceType;
      case MmioRegister.vendorId:
        return VENDOR;
      case MmioRegister.deviceFeatures:
        return registers.deviceFeatures;
      case MmioRegister.queueSizeMax:
        return registers.queueSizeMax;
      case MmioRegister.queueReady:
        return registers.readQueue(QueueWord.ready);
      case MmioRegister.interruptStatus:
        return this.shared.get(Word.interruptStatus);
      case MmioRegister.status:
        return registers.status;
      case MmioRegister.shmLenLow:
      case MmioRegister.shmLenHigh:
      case MmioRegister.shmBaseLow:
      case MmioRegister.shmBaseHigh:
        return NO_REGION;
      case MmioRegister.configGeneration:
        return this.shared.get(Word.generation);
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case MmioRegister.deviceFeaturesSel:
        return this.shared.set(Word.deviceFeaturesSelect, value);
      case MmioRegister.driverFeatures:
        registers.driverFeatures = value;
        return;
      case MmioRegister.driverFeaturesSel:
        return this.shared.set(Word.driverFeaturesSelect, value);
      case MmioRegister.queueSel:
        return this.shared.set(Word.queueSelect, value);
      case MmioRegister.queueSize:
        return registers.writeQueueSize(value);
      case MmioRegister.queueReady:
        return registers.writeQueueReady((value & 1) !== 0);
      case MmioRegister.queueNotify:
        return registers.notify(value);
      case MmioRegister.interruptAck:
        Atomics.and(this.shared.words, Word.interruptStatus, ~(value & INTERRUPT_BITS));
        return;
      case MmioRegister.status:
        return registers.writeStatus(value, Infinity);
      case MmioRegister.queueDescLow:
        return registers.writeQueue(QueueWord.descriptorLow, value);
      case MmioRegister.queueDescHigh:
        return registers.writeQueue(QueueWord.descriptorHigh, value);
      case MmioRegister.queueDriverLow:
        return registers.writeQueue(QueueWord.driverLow, value);
      case MmioRegister.queueDriverHigh:
        return registers.writeQueue(QueueWord.driverHigh, value);
      case MmioRegister.queueDeviceLow:
        return registers.writeQueue(QueueWord.deviceLow, value);
      case MmioRegister.queueDeviceHigh:
        return registers.writeQueue(QueueWord.deviceHigh, value);
    }
  }
}

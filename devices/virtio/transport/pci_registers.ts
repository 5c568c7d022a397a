/**
 * What a virtio device on PCI has in BAR 0: the common configuration, the interrupt status, the device's
 * configuration, doorbells, and the MSI-X table with its pending bits.
 *
 * The fields of the common configuration are written in their own width, or a field of 64 bits in two halves.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | offset and width of accesses | what is no field reads 0 and writes nothing |
 * | what it writes to common fields | see registers.ts; a vector that does not exist is stored as none |
 * | the MSI-X table | see msix.ts |
 *
 * Source: virtio 1.2, 4.1.4.3 to 4.1.4.6 and 4.1.5.1.2.
 *
 * @module
 */
import type { AccessSize } from "../../../src/bus/mod.ts";
import { NO_VECTOR, QueueWord, Word } from "../shared.ts";
import type { MsixVectors } from "./msix.ts";
import { NOTIFY_MULTIPLIER, Region } from "./pci_layout.ts";
import type { VirtioRegisters } from "./registers.ts";

/** Offsets in struct virtio_pci_common_cfg (4.1.4.3). */
export const Common = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configMsixVector: 0x10,
  numQueues: 0x12,
  deviceStatus: 0x14,
  configGeneration: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueMsixVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOff: 0x1e,
  queueDesc: 0x20,
  queueDriver: 0x28,
  queueDevice: 0x30,
} as const;

/**
 * How long a driver's reset holds up the access, in milliseconds. A driver has to wait itself, until the status
 * reads 0 (4.1.4.3.2); this spares most of them a second look.
 */
const RESET_PATIENCE_MS = 100;

/** A field's number among those of one width: offset and width of an access, in one number. */
const field = (offset: number, size: AccessSize) => offset * 8 + size;
/** The queue words of the common configuration's last 24 bytes, doubleword by doubleword. */
const AREA_WORDS = [
  QueueWord.descriptorLow,
  QueueWord.descriptorHigh,
  QueueWord.driverLow,
  QueueWord.driverHigh,
  QueueWord.deviceLow,
  QueueWord.deviceHigh,
];

/** The registers of one device in a vCPU's isolate. */
export class PciRegisters {
  readonly #registers: VirtioRegisters;
  readonly #vectors: MsixVectors;
  readonly #vectorCount: number;

  constructor(registers: VirtioRegisters, vectors: MsixVectors) {
    this.#registers = registers;
    this.#vectors = vectors;
    this.#vectorCount = registers.shared.shape.vectors;
  }

  read(offset: number, size: AccessSize): number {
    const region = offset & ~0xfff;
    if (region === Region.device.offset) return this.#registers.readConfig(offset - region, size);
    if (offset === Region.isr.offset) {
      // Reading takes all bits back, and lets the pin fall (4.1.4.5.1).
      return Atomics.exchange(this.#registers.shared.words, Word.interruptStatus, 0);
    }
    const shift = 8 * (offset & 3);
    // What reaches into another doubleword is no access to any field.
    return shift + 8 * size > 32 ? 0 : this.#readDoubleword(offset & ~3) >>> shift;
  }

  #readDoubleword(offset: number): number {
    if (offset < Region.common.size) return this.#readCommon(offset);
    if (offset >= Region.msixPending.offset) {
      return this.#vectors.readPending((offset - Region.msixPending.offset) >> 2);
    }
    if (offset >= Region.msixTable.offset) {
      return this.#vectors.readTable((offset - Region.msixTable.offset) >> 2);
    }
    return 0;
  }

  #readCommon(offset: number): number {
    const registers = this.#registers;
    const { shared } = registers;
    switch (offset) {
      case Common.deviceFeatureSelect:
        return shared.get(Word.deviceFeaturesSelect);
      case Common.deviceFeature:
        return registers.deviceFeatures;
      case Common.driverFeatureSelect:
        return shared.get(Word.driverFeaturesSelect);
      case Common.driverFeature:
        return registers.driverFeatures;
      case Common.configMsixVector:
        return pair(shared.get(Word.configVector), shared.queueCount);
      case Common.deviceStatus: {
        const generation = shared.get(Word.generation) & 0xff;
        return pair(registers.status | (generation << 8), shared.get(Word.queueSelect));
      }
      case Common.queueSize:
        return pair(
          registers.readQueue(QueueWord.size),
          registers.selectedQueue < 0 ? NO_VECTOR : registers.readQueue(QueueWord.vector),
        );
      case Common.queueEnable:
        return pair(registers.readQueue(QueueWord.ready), Math.max(registers.selectedQueue, 0));
      default:
        return registers.readQueue(AREA_WORDS[(offset - Common.queueDesc) >> 2]);
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    const region = offset & ~0xfff;
    if (region === Region.common.offset) this.#writeCommon(offset, size, value);
    else if (region === Region.device.offset) {
      this.#registers.writeConfig(offset - region, size, value);
    } else if (region === Region.notify.offset) {
      this.#registers.notify(Math.floor((offset - region) / NOTIFY_MULTIPLIER));
    } else if (
      offset >= Region.msixTable.offset && offset < Region.msixPending.offset && size === 4 &&
      (offset & 3) === 0
    ) this.#vectors.writeTable((offset - Region.msixTable.offset) >> 2, value);
  }

  #writeCommon(offset: number, size: AccessSize, value: number): void {
    const registers = this.#registers;
    const { shared } = registers;
    switch (field(offset, size)) {
      case field(Common.deviceFeatureSelect, 4):
        return shared.set(Word.deviceFeaturesSelect, value);
      case field(Common.driverFeatureSelect, 4):
        return shared.set(Word.driverFeaturesSelect, value);
      case field(Common.driverFeature, 4):
        registers.driverFeatures = value;
        return;
      case field(Common.configMsixVector, 2):
        return shared.set(Word.configVector, this.#vector(value));
      case field(Common.deviceStatus, 1):
        return registers.writeStatus(value, RESET_PATIENCE_MS);
      case field(Common.queueSelect, 2):
        return shared.set(Word.queueSelect, value);
      case field(Common.queueSize, 2):
        return registers.writeQueueSize(value);
      case field(Common.queueMsixVector, 2):
        return this.#writeQueueVector(value);
      case field(Common.queueEnable, 2):
        // A driver must not take it back (4.1.4.3.2).
        if (value === 1) registers.writeQueueReady(true);
        return;
    }
    if (offset >= Common.queueDesc && offset < Region.common.size && (offset & 3) === 0) {
      if (size === 4) {
        registers.writeQueue(AREA_WORDS[(offset - Common.queueDesc) >> 2], value);
      }
    }
  }

  #writeQueueVector(value: number): void {
    const { selectedQueue, shared } = this.#registers;
    if (selectedQueue >= 0) shared.setQueue(selectedQueue, QueueWord.vector, this.#vector(value));
  }

  /** A vector that exists, or none: what the driver reads back tells it (4.1.5.1.2.1). */
  #vector(value: number): number {
    return value < this.#vectorCount ? value : NO_VECTOR;
  }
}

function pair(low: number, high: number): number {
  return ((low & 0xffff) | (high << 16)) >>> 0;
}

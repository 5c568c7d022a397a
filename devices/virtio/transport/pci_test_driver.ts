/**
 * A guest's end of virtio devices on PCI, for tests: finds functions and their structures as Linux does
 * (drivers/pci/probe.c, drivers/virtio/virtio_pci_modern_dev.c) and drives them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AccessSize } from "../../../src/bus/mod.ts";
import { Header } from "../../pci/config_space.ts";
import { pciDeviceNumber, pciHost, type PciHostSpec } from "../../pci/mod.ts";
import { TestRig } from "../../test_rig.ts";
import { bit, Status, VIRTIO_F_VERSION_1 } from "../features.ts";
import type { VirtioSlot } from "../slot.ts";
import { createVirtioPci } from "./pci.ts";
import { Common } from "./pci_registers.ts";
import { TEST_FEATURE, TestCore, testSlot, type TestSlotOptions } from "./test_slot.ts";

export const ECAM = { base: 0xe000_0000, size: 0x10_0000 };
export const WINDOW = { base: 0xc000_0000, size: 0x100_0000 };
export const MESSAGES = { base: 0xfee0_0000, size: 0x10_0000 };
export const CONFIG_PORT = 0xcf8;

/** A structure that a vendor capability names. */
interface Structure {
  /** Where the capability is in configuration space. */
  readonly at: number;
  readonly offset: number;
  readonly length: number;
}

/** A machine with a PCI bus. */
export class PciMachine {
  readonly rig = new TestRig();
  readonly spec: PciHostSpec;
  readonly slots: readonly VirtioSlot[];
  readonly cores: readonly TestCore[];

  /** @param devices how each is made, from device number 1 on */
  constructor(devices: readonly Partial<TestSlotOptions>[]) {
    this.slots = devices.map((options, index) => testSlot({ kind: "msix", index, ...options }));
    this.spec = pciHost.create({
      ecam: ECAM,
      window: WINDOW,
      messages: MESSAGES,
      configPort: CONFIG_PORT,
      functions: this.slots.map((slot, i) => createVirtioPci(slot, 16 + pciDeviceNumber(i))),
    });
    this.cores = this.slots.map((slot) => new TestCore(this.rig, slot));
    this.attach();
  }

  /** Puts the bus on the rig's buses. */
  attach(): void {
    this.rig.attach(pciHost, this.spec);
  }

  signals(fd: number): number {
    return this.rig.edges.get(fd) ?? 0;
  }

  /** Reads configuration space by ECAM. */
  readConfig(device: number, offset: number, size: AccessSize): number {
    return this.rig.mmio.read(ECAM.base + device * 0x8000 + offset, size);
  }

  writeConfig(device: number, offset: number, size: AccessSize, value: number): void {
    this.rig.mmio.write(ECAM.base + device * 0x8000 + offset, size, value);
  }
}

/** A driver of one device. */
export class PciDriver {
  readonly #machine: PciMachine;
  readonly device: number;
  readonly structures = new Map<number, Structure>();
  msix = 0;

  constructor(machine: PciMachine, device = 1) {
    this.#machine = machine;
    this.device = device;
  }

  config(offset: number, size: AccessSize): number {
    return this.#machine.readConfig(this.device, offset, size);
  }

  setConfig(offset: number, size: AccessSize, value: number): void {
    this.#machine.writeConfig(this.device, offset, size, value);
  }

  /** What pci_setup_device does: sizes the BARs and finds the capabilities. */
  scan(): void {
    assert.equal(this.config(Header.vendorId, 2), 0x1af4);
    assert.ok(this.config(Header.deviceId, 2) >= 0x1040);
    assert.equal(this.config(0x0e, 1), 0);
    const command = this.config(Header.command, 2);
    this.setConfig(Header.command, 2, command & ~3);
    const bar = this.config(Header.bar0, 4);
    this.setConfig(Header.bar0, 4, 0xffff_ffff);
    const size = -this.config(Header.bar0, 4) >>> 0;
    this.setConfig(Header.bar0, 4, bar);
    this.setConfig(Header.command, 2, command);
    assert.equal(bar % size, 0);
    assert.ok((this.config(Header.status, 2) & 0x10) !== 0);
    for (let at = this.config(Header.capabilities, 1); at !== 0; at = this.config(at + 1, 1)) {
      const id = this.config(at, 1);
      if (id === 0x11) this.msix = at;
      if (id !== 0x09) continue;
      const [offset, length] = [this.config(at + 8, 4), this.config(at + 12, 4)];
      assert.equal(this.config(at + 4, 1), 0, "BAR 0");
      assert.ok(offset + length <= size && offset % 4 === 0);
      this.structures.set(this.config(at + 3, 1), { at, offset, length });
    }
  }

  /** pci_enable_device and pci_set_master. */
  enable(): void {
    this.setConfig(Header.command, 2, this.config(Header.command, 2) | 6);
  }

  get bar(): number {
    return this.config(Header.bar0, 4);
  }

  address(structure: number, offset: number): number {
    return this.bar + this.structures.get(structure)!.offset + offset;
  }

  read(structure: number, offset: number, size: AccessSize): number {
    return this.#machine.rig.mmio.read(this.address(structure, offset), size);
  }

  write(structure: number, offset: number, size: AccessSize, value: number): void {
    this.#machine.rig.mmio.write(this.address(structure, offset), size, value);
  }

  common(offset: number, size: AccessSize): number {
    return this.read(COMMON, offset, size);
  }

  setCommon(offset: number, size: AccessSize, value: number): void {
    this.write(COMMON, offset, size, value);
  }

  addStatus(bits: number): number {
    this.setCommon(Common.deviceStatus, 1, this.common(Common.deviceStatus, 1) | bits);
    return this.common(Common.deviceStatus, 1);
  }

  /** vp_reset. */
  reset(): void {
    this.setCommon(Common.deviceStatus, 1, 0);
    for (let i = 0; this.common(Common.deviceStatus, 1) !== 0; i++) {
      assert.ok(i < 100, "the reset ends");
    }
  }

  /** A doubleword of the MSI-X table. */
  table(vector: number, field: number): number {
    return this.bar + (this.config(this.msix + 4, 4) & ~7) + vector * 16 + field * 4;
  }

  pending(): number {
    const { mmio } = this.#machine.rig;
    return mmio.read(this.bar + (this.config(this.msix + 8, 4) & ~7), 4);
  }

  setEntry(vector: number, address: number, data: number, masked: boolean): void {
    const { mmio } = this.#machine.rig;
    const values = [address % 2 ** 32, Math.floor(address / 2 ** 32), data, masked ? 1 : 0];
    for (const [field, value] of values.entries()) mmio.write(this.table(vector, field), 4, value);
  }

  setMask(vector: number, masked: boolean): void {
    this.#machine.rig.mmio.write(this.table(vector, 3), 4, masked ? 1 : 0);
  }

  /** MSI-X: enable, mask all. */
  setMsix(enabled: boolean, allMasked: boolean): void {
    const control = (this.config(this.msix + 2, 2) & 0x3fff) | (enabled ? 0x8000 : 0) |
      (allMasked ? 0x4000 : 0);
    this.setConfig(this.msix + 2, 2, control);
  }

  /** msix_capability_init, with each vector set up and unmasked as request_irq does. */
  setUpMsix(): void {
    this.setMsix(true, true);
    const vectors = (this.config(this.msix + 2, 2) & 0x7ff) + 1;
    for (let vector = 0; vector < vectors; vector++) this.setMask(vector, true);
    this.setMsix(true, false);
    for (let vector = 0; vector < vectors; vector++) {
      this.setEntry(vector, messageAddress(vector), messageData(this.device, vector), true);
      this.setMask(vector, false);
    }
  }

  /** virtio_pci_modern's probe and find_vqs, from the reset to DRIVER_OK; with vectors or by the pin. */
  probe(interrupts: "msix" | "pin"): void {
    this.scan();
    this.enable();
    this.reset();
    this.addStatus(Status.acknowledge);
    this.addStatus(Status.driver);
    this.acceptFeatures(bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE));
    assert.ok((this.addStatus(Status.featuresOk) & Status.featuresOk) !== 0);
    if (interrupts === "msix") {
      this.setUpMsix();
      this.setCommon(Common.configMsixVector, 2, 0);
      assert.equal(this.common(Common.configMsixVector, 2), 0);
    }
    const queues = this.common(Common.numQueues, 2);
    for (let index = 0; index < queues; index++) this.setUpQueue(index, interrupts);
    for (let index = 0; index < queues; index++) {
      this.setCommon(Common.queueSelect, 2, index);
      this.setCommon(Common.queueEnable, 2, 1);
      assert.equal(this.common(Common.queueEnable, 2), 1);
    }
    assert.ok((this.addStatus(Status.driverOk) & Status.driverOk) !== 0);
  }

  acceptFeatures(wanted: bigint): void {
    let offered = 0n;
    for (const select of [0, 1]) {
      this.setCommon(Common.deviceFeatureSelect, 4, select);
      offered |= BigInt(this.common(Common.deviceFeature, 4)) << BigInt(32 * select);
    }
    const accepted = offered & wanted;
    for (const select of [0, 1]) {
      this.setCommon(Common.driverFeatureSelect, 4, select);
      const half = Number((accepted >> BigInt(32 * select)) & 0xffff_ffffn);
      this.setCommon(Common.driverFeature, 4, half);
      assert.equal(this.common(Common.driverFeature, 4), half);
    }
  }

  setUpQueue(index: number, interrupts: "msix" | "pin"): void {
    this.setCommon(Common.queueSelect, 2, index);
    const size = this.common(Common.queueSize, 2);
    assert.ok(size > 0 && this.common(Common.queueEnable, 2) === 0);
    assert.equal(this.common(Common.queueNotifyOff, 2), index);
    this.setCommon(Common.queueSize, 2, size);
    for (const [i, area] of [Common.queueDesc, Common.queueDriver, Common.queueDevice].entries()) {
      this.setCommon(area, 4, 0x10000 * (index + 1) + 0x1000 * i);
      this.setCommon(area + 4, 4, i);
    }
    if (interrupts === "pin") return;
    this.setCommon(Common.queueMsixVector, 2, index + 1);
    assert.equal(this.common(Common.queueMsixVector, 2), index + 1);
  }

  /** virtio_pci_remove: reset, del_vqs, pci_disable_device. */
  remove(): void {
    this.reset();
    for (let index = 0; index < this.common(Common.numQueues, 2); index++) {
      this.setCommon(Common.queueSelect, 2, index);
      this.setCommon(Common.queueMsixVector, 2, 0xffff);
    }
    this.setCommon(Common.configMsixVector, 2, 0xffff);
    this.setMsix(false, false);
    this.setConfig(Header.command, 2, this.config(Header.command, 2) & ~4);
  }
}

/** Configuration types of vendor capabilities (virtio 1.2, 4.1.4). */
export const COMMON = 1;
export const NOTIFY = 2;
export const ISR = 3;
export const DEVICE = 4;
export const PCI_WINDOW = 5;

/** The message of a vector, as Linux on one processor would choose it. */
export function messageAddress(vector: number): number {
  return 0xfee0_0000 + vector * 0x1000;
}
export function messageData(device: number, vector: number): number {
  return 0x4000 + device * 16 + vector;
}

/**
 * A guest's end of a virtio device on MMIO, for tests: drives it as Linux does (drivers/virtio/virtio_mmio.c).
 *
 * @module
 */
import assert from "node:assert/strict";
import { TestRig } from "../../test_rig.ts";
import { bit, Status, VIRTIO_F_VERSION_1 } from "../features.ts";
import type { VirtioShared } from "../shared.ts";
import { MmioRegister as Register, virtioMmio, type VirtioMmioSpec } from "./mmio.ts";
import { TEST_FEATURE, TestCore, testSlot, type TestSlotOptions } from "./test_slot.ts";

/** Where the device's window is. */
export const BASE = 0xf000_0000;
const { acknowledge, driver, driverOk, featuresOk } = Status;

/** A device on a bus, with a core that answers, and its driver. */
export class MmioDevice {
  readonly rig = new TestRig();
  readonly spec: VirtioMmioSpec;
  readonly core: TestCore;

  constructor(options: Partial<TestSlotOptions> = {}) {
    this.spec = virtioMmio.create({ slot: testSlot({ kind: "line", ...options }), base: BASE });
    this.core = new TestCore(this.rig, this.spec.slot);
    this.rig.attach(virtioMmio, this.spec);
  }

  get shared(): VirtioShared {
    return this.core.shared;
  }

  read(register: number, size: 1 | 2 | 4 = 4): number {
    return this.rig.mmio.read(BASE + register, size);
  }

  write(register: number, value: number, size: 1 | 2 | 4 = 4): void {
    this.rig.mmio.write(BASE + register, size, value);
  }

  /** How often an eventfd was signalled. */
  signals(fd: number): number {
    return this.rig.edges.get(fd) ?? 0;
  }

  /** Sets bits of the status. @returns what it is then */
  addStatus(bits: number): number {
    this.write(Register.status, this.read(Register.status) | bits);
    return this.read(Register.status);
  }

  /** Writes the driver's features. */
  accept(features: bigint): void {
    for (const select of [1, 0]) {
      this.write(Register.driverFeaturesSel, select);
      this.write(Register.driverFeatures, Number((features >> BigInt(32 * select)) & 0xffff_ffffn));
    }
  }

  /** What Linux does with a device: drivers/virtio/virtio_mmio.c and virtio.c, from probe to DRIVER_OK. */
  probe(wanted = bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE)): void {
    assert.equal(this.read(Register.magicValue), 0x74726976);
    assert.equal(this.read(Register.version), 2);
    assert.notEqual(this.read(Register.deviceId), 0);
    this.write(Register.status, 0);
    this.addStatus(acknowledge);
    this.addStatus(driver);
    let offered = 0n;
    for (const select of [1, 0]) {
      this.write(Register.deviceFeaturesSel, select);
      offered |= BigInt(this.read(Register.deviceFeatures)) << BigInt(32 * select);
    }
    this.accept(offered & wanted);
    assert.ok(this.addStatus(featuresOk) & featuresOk);
    for (const index of this.spec.slot.kicks.keys()) this.setUpQueue(index);
    assert.ok(this.addStatus(driverOk) & driverOk);
  }

  /** Gives a queue its greatest size and areas of its own, and makes it ready. */
  setUpQueue(index: number): void {
    this.write(Register.queueSel, index);
    assert.equal(this.read(Register.queueReady), 0);
    const size = this.read(Register.queueSizeMax);
    assert.ok(size > 0);
    this.write(Register.queueSize, size);
    const areas = [Register.queueDescLow, Register.queueDriverLow, Register.queueDeviceLow];
    for (const [i, register] of areas.entries()) {
      this.write(register, 0x10000 * (index + 1) + 0x1000 * i);
      this.write(register + 4, i);
    }
    this.write(Register.queueReady, 1);
    assert.equal(this.read(Register.queueReady), 1);
  }

  /** What Linux does when a driver is unbound: virtio_reset_device, then vm_del_vqs. */
  remove(): void {
    this.write(Register.status, 0);
    for (const index of this.spec.slot.kicks.keys()) {
      this.write(Register.queueSel, index);
      this.write(Register.queueReady, 0);
      assert.equal(this.read(Register.queueReady), 0);
    }
  }
}

import assert from "node:assert/strict";
import fc from "fast-check";
import { DeviceStateError } from "../../state.ts";
import { TestRig } from "../../test_rig.ts";
import { bit, Status, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from "../features.ts";
import { openInterrupts } from "../interrupts.ts";
import { type VirtioShared, Word } from "../shared.ts";
import {
  MMIO_WINDOW,
  mmioDoorbells,
  MmioRegister as Register,
  virtioMmio,
  type VirtioMmioSpec,
} from "./mmio.ts";
import { Fd, TEST_FEATURE, TestCore, testSlot, type TestSlotOptions } from "./test_slot.ts";

const BASE = 0xf000_0000;
const { acknowledge, driver, driverOk, featuresOk, needsReset, failed } = Status;

/** A device on a bus, with a core that answers. */
class Device {
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

  signals(fd: number): number {
    return this.rig.edges.get(fd) ?? 0;
  }

  addStatus(bits: number): number {
    this.write(Register.status, this.read(Register.status) | bits);
    return this.read(Register.status);
  }

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

Deno.test("a driver that probes as Linux does gets its queues and features to the core", () => {
  const device = new Device();
  device.probe();
  const { started } = device.core;
  assert.equal(started?.features, bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE));
  assert.deepEqual(
    started.queues,
    [256, 64].map((size, index) => ({
      index,
      size,
      descriptorArea: 0x10000 * (index + 1),
      driverArea: 0x10000 * (index + 1) + 0x1000 + 2 ** 32,
      deviceArea: 0x10000 * (index + 1) + 0x2000 + 2 * 2 ** 32,
      position: undefined,
    })),
  );
  assert.equal(device.signals(Fd.control), 1);
});

Deno.test("a driver is unbound and bound again and again, and the core is reset each time", () => {
  const device = new Device();
  for (let round = 1; round <= 10; round++) {
    device.probe();
    assert.notEqual(device.core.started, undefined);
    device.remove();
    assert.equal(device.core.started, undefined);
    assert.equal(device.core.resets, round);
    assert.equal(device.read(Register.status), 0);
    assert.equal(device.read(Register.queueSizeMax), 64);
  }
});

Deno.test("a reset of a device that no driver has used does not go through the core", () => {
  const device = new Device();
  device.core.stuck = true;
  device.addStatus(acknowledge | driver);
  device.accept(1n << 32n);
  device.write(Register.status, 0);
  assert.equal(device.read(Register.status), 0);
  device.write(Register.driverFeaturesSel, 1);
  assert.equal(device.shared.driverFeatures, 0n);
  assert.equal(device.signals(Fd.control), 0);
});

Deno.test("FEATURES_OK is not taken without VERSION_1, nor with a feature that is not offered", () => {
  const version1 = bit(VIRTIO_F_VERSION_1);
  for (
    const [features, taken] of [
      [version1, true],
      [version1 | bit(TEST_FEATURE), true],
      [version1 | bit(VIRTIO_F_RING_PACKED), true],
      [bit(TEST_FEATURE), false],
      [0n, false],
      [version1 | bit(TEST_FEATURE + 1), false],
      [version1 | bit(63), false],
    ] as const
  ) {
    const device = new Device();
    device.addStatus(acknowledge | driver);
    device.accept(features);
    assert.equal((device.addStatus(featuresOk) & featuresOk) !== 0, taken, `${features}`);
    assert.equal((device.addStatus(driverOk) & driverOk) !== 0, taken);
    assert.equal(device.signals(Fd.control), taken ? 1 : 0);
  }
});

Deno.test("features are settled by FEATURES_OK, and a status bit stays once it is set", () => {
  const device = new Device();
  device.addStatus(acknowledge | driver);
  device.accept(bit(VIRTIO_F_VERSION_1));
  device.addStatus(featuresOk);
  device.accept(bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE));
  assert.equal(device.shared.driverFeatures, bit(VIRTIO_F_VERSION_1));
  device.write(Register.status, acknowledge);
  assert.equal(device.read(Register.status), acknowledge | driver | featuresOk);
});

Deno.test("a driver can't set DEVICE_NEEDS_RESET, and one that has failed can't be ready", () => {
  const device = new Device();
  assert.equal(device.addStatus(acknowledge | driver | needsReset), acknowledge | driver);
  device.accept(bit(VIRTIO_F_VERSION_1));
  device.addStatus(featuresOk);
  assert.equal(device.addStatus(failed | driverOk), acknowledge | driver | featuresOk | failed);
});

Deno.test("features beyond the sixty-fourth read as not offered", () => {
  const device = new Device();
  for (const select of [2, 3, 0xffff_ffff]) {
    device.write(Register.deviceFeaturesSel, select);
    assert.equal(device.read(Register.deviceFeatures), 0);
    device.write(Register.driverFeaturesSel, select);
    device.write(Register.driverFeatures, 0xffff_ffff);
  }
  assert.equal(device.shared.driverFeatures, 0n);
});

/** A device whose driver has its features settled. */
function negotiated(features = bit(VIRTIO_F_VERSION_1)): Device {
  const device = new Device();
  device.addStatus(acknowledge | driver);
  device.accept(features);
  device.addStatus(featuresOk);
  return device;
}

Deno.test("a queue that does not exist has size 0 and takes nothing", () => {
  const device = negotiated();
  for (const select of [2, 0x7fff_ffff, 0xffff_ffff]) {
    device.write(Register.queueSel, select);
    device.write(Register.queueSize, 8);
    device.write(Register.queueReady, 1);
    assert.equal(device.read(Register.queueSizeMax), 0);
    assert.equal(device.read(Register.queueReady), 0);
  }
  device.addStatus(driverOk);
  assert.deepEqual(device.core.started?.queues, [undefined, undefined]);
});

Deno.test("a queue's size is bounded, and a power of two unless it is packed", () => {
  for (
    const [size, packed, taken] of [
      [256, false, 256],
      [1, false, 1],
      [0, false, 256],
      [257, false, 256],
      [0xffff_ffff, false, 256],
      [100, false, undefined],
      [100, true, 100],
    ] as const
  ) {
    const device = negotiated(
      bit(VIRTIO_F_VERSION_1) | (packed ? bit(VIRTIO_F_RING_PACKED) : 0n),
    );
    device.write(Register.queueSel, 0);
    device.write(Register.queueSize, size);
    device.write(Register.queueReady, 1);
    device.addStatus(driverOk);
    assert.equal(device.core.started?.queues[0]?.size, taken, `${size} packed ${packed}`);
  }
});

Deno.test("a queue stays as it is once it is ready, and all of them once the driver is", () => {
  const device = negotiated();
  device.setUpQueue(0);
  const before = device.shared.queueConfiguration(0);
  device.write(Register.queueSize, 8);
  device.write(Register.queueDescLow, 0xdead_0000);
  assert.deepEqual(device.shared.queueConfiguration(0), before);
  device.addStatus(driverOk);
  device.write(Register.queueReady, 0);
  assert.equal(device.read(Register.queueReady), 1);
  device.write(Register.queueSel, 1);
  device.write(Register.queueDescLow, 0x1000);
  device.write(Register.queueReady, 1);
  assert.equal(device.read(Register.queueReady), 0);
});

Deno.test("a queue can't be ready before the features are settled", () => {
  const device = new Device();
  device.write(Register.queueSel, 0);
  device.write(Register.queueReady, 1);
  assert.equal(device.read(Register.queueReady), 0);
});

Deno.test("interrupts show in the status until the driver acknowledges them, bit by bit", () => {
  const device = new Device();
  const signalled: number[] = [];
  const interrupts = openInterrupts(device.spec.slot, (fd) => signalled.push(fd));
  interrupts.queue(1);
  interrupts.config();
  interrupts.resampled();
  assert.deepEqual(signalled, [Fd.line, Fd.line]);
  assert.equal(device.read(Register.interruptStatus), 3);
  device.write(Register.interruptAck, 1);
  assert.equal(device.read(Register.interruptStatus), 2);
  device.write(Register.interruptAck, 0xffff_ffff);
  assert.equal(device.read(Register.interruptStatus), 0);
});

Deno.test("each queue has a doorbell at QueueNotify, and a notification on the bus finds its queue", () => {
  const device = new Device();
  assert.deepEqual(mmioDoorbells(device.spec), [
    { eventfd: Fd.kick, address: BASE + 0x50, length: 4, datamatch: 0 },
    { eventfd: Fd.kick + 1, address: BASE + 0x50, length: 4, datamatch: 1 },
  ]);
  for (const queue of [1, 2, 0xffff_ffff]) device.write(Register.queueNotify, queue);
  assert.deepEqual([...device.rig.edges], [[Fd.kick + 1, 1]]);
});

Deno.test("the configuration is read in every width, and is 0 behind its end", () => {
  const device = new Device({ config: [1, 2, 3, 4, 5, 6] });
  assert.equal(device.read(Register.config, 1), 1);
  assert.equal(device.read(Register.config + 1, 2), 0x0302);
  assert.equal(device.read(Register.config + 1, 4), 0x05040302);
  assert.equal(device.read(Register.config + 4, 4), 0x0605);
  assert.equal(device.read(Register.config + 6, 4), 0);
  assert.equal(device.read(MMIO_WINDOW - 4, 4), 0);
  device.shared.set(Word.generation, 7);
  assert.equal(device.read(Register.configGeneration), 7);
});

Deno.test("only what the device declares writable is written, and the core hears of it once", () => {
  const device = new Device({ writableConfig: [{ offset: 2, size: 1 }, { offset: 7, size: 1 }] });
  device.core.stuck = true;
  device.write(Register.config, 0xffff_ffff);
  device.write(Register.config + 7, 0xee, 1);
  device.write(Register.config + 8, 0xee, 1);
  assert.deepEqual([...device.shared.config], [1, 2, 0xff, 4, 5, 6, 7, 0xee]);
  assert.equal(device.signals(Fd.control), 1, "the core has not looked yet");
  device.core.stuck = false;
  device.core.look();
  device.write(Register.config + 2, 0);
  assert.equal(device.core.configWrites, 2);
  device.write(Register.config + 4, 0xffff, 2);
  assert.equal(device.core.configWrites, 2, "nothing was written");
});

Deno.test("a reset waits until the core has let go of the queues", async () => {
  const device = new Device();
  device.probe();
  device.core.stuck = true;
  const url = new URL("./reset_test_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  try {
    const ready = new Promise((resolve) => worker.onmessage = resolve);
    worker.postMessage(device.spec.slot.shared);
    await ready;
    device.write(Register.status, 0); // the Worker finishes it after a while
    assert.equal(device.shared.get(Word.reset), 0);
    assert.equal(device.read(Register.status), 0);
  } finally {
    worker.terminate();
  }
});

Deno.test("a wait for a reset is given up when the machine wants the vCPU, and no later access is lost", () => {
  const device = new Device();
  device.probe();
  device.core.stuck = true;
  device.rig.interrupted = true;
  device.write(Register.status, 0);
  assert.equal(device.read(Register.status), needsReset, "not 0: the device is not reset yet");
  // The driver does not wait; what it goes on with is meant for the device after the reset.
  device.write(Register.status, needsReset | acknowledge);
  device.write(Register.status, needsReset | acknowledge | driver);
  device.core.shared.set(Word.status, device.core.shared.get(Word.status) | needsReset);
  device.core.stuck = false;
  device.core.look();
  assert.equal(device.read(Register.status), acknowledge | driver);
  device.rig.interrupted = false;
  device.probe();
  assert.equal(device.core.started?.queues.length, 2);
});

Deno.test("a driver that is ready again before its reset is done starts the core when it is", () => {
  const device = new Device();
  device.probe();
  const before = device.core.started;
  device.core.stuck = true;
  device.rig.interrupted = true;
  device.write(Register.status, 0);
  device.addStatus(acknowledge | driver);
  device.accept(bit(VIRTIO_F_VERSION_1));
  device.addStatus(featuresOk);
  device.setUpQueue(1);
  device.addStatus(driverOk);
  assert.equal(device.core.shared.agreed(), undefined, "a reset is pending");
  device.core.stuck = false;
  device.core.look();
  assert.notEqual(device.core.started, before);
  assert.deepEqual(device.core.started?.queues.map((queue) => queue?.size), [undefined, 64]);
});

Deno.test("a device with vectors is none of this transport's", () => {
  assert.throws(
    () => virtioMmio.create({ slot: testSlot({ kind: "msix" }), base: BASE }),
    RangeError,
  );
});

const FIELDS = [
  ...Object.values(Register),
  Register.config + 5,
  Register.queueSel + 1,
  0x2,
  0xfff,
];
const accesses = fc.array(
  fc.record({
    offset: fc.oneof(fc.constantFrom(...FIELDS), fc.integer({ min: 0, max: MMIO_WINDOW - 1 })),
    size: fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
    value: fc.oneof(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    isRead: fc.boolean(),
  }),
  { maxLength: 200 },
);

Deno.test("accesses of every kind anywhere in the window stay within the device's bounds", () => {
  fc.assert(fc.property(accesses, fc.boolean(), (list, isProbed) => {
    const device = new Device({ writableConfig: [{ offset: 0, size: 2 }] });
    if (isProbed) device.probe();
    const { shared } = device;
    for (const { offset, size, value, isRead } of list) {
      if (isRead) {
        const got = device.read(offset, size);
        assert.ok(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * size));
      } else device.write(offset, value, size);
    }
    for (const index of [0, 1]) {
      const size = shared.queueConfiguration(index)?.size ?? 1;
      assert.ok(size >= 1 && size <= [256, 64][index]);
    }
    if (device.core.started !== undefined) {
      assert.equal(device.core.started.features & ~device.spec.slot.features, 0n);
    }
    assert.deepEqual([...shared.config.subarray(2)], [3, 4, 5, 6, 7, 8]);
    assert.ok(!shared.lock.held && !shared.configLock.held);
    const known = [Fd.line, Fd.control, Fd.kick, Fd.kick + 1];
    assert.ok([...device.rig.edges.keys()].every((fd) => known.includes(fd)));
    // What is saved can be restored, whatever the guest has made of it.
    const saved = virtioMmio.save(device.spec);
    const other = new Device();
    virtioMmio.restore(other.spec, JSON.parse(JSON.stringify(saved)));
    assert.deepEqual(virtioMmio.save(other.spec), saved);
  }));
});

Deno.test("a device that is restored goes on where it was saved", () => {
  const device = new Device();
  device.probe();
  device.shared.setPosition(1, { nextAvailable: 17, nextUsed: 16 });
  device.shared.set(Word.interruptStatus, 1);
  device.shared.config[3] = 0xaa;
  const restored = new Device();
  virtioMmio.restore(restored.spec, JSON.parse(JSON.stringify(virtioMmio.save(device.spec))));
  assert.equal(restored.read(Register.status), 0xf);
  assert.equal(restored.read(Register.interruptStatus), 1);
  assert.equal(restored.read(Register.config + 3, 1), 0xaa);
  assert.deepEqual(restored.shared.agreed(), device.shared.agreed());
  assert.deepEqual(restored.shared.agreed()?.queues[1]?.position, {
    nextAvailable: 17,
    nextUsed: 16,
  });
});

Deno.test("saved state that does not fit is refused by name, and changes nothing", () => {
  const device = new Device();
  device.probe();
  const saved = virtioMmio.save(device.spec);
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ version: 2 }, /version 2/],
    [{ status: 0x10 + 256 }, /"status"/],
    [{ status: driverOk }, /test0: it is in use without FEATURES_OK/],
    [{ status: 0 }, /it is in use without FEATURES_OK/],
    [{ queueSize: [512, 64] }, /test0: a queue's size is out of bounds/],
    [{ queueSize: [100, 64] }, /no power of two/],
    [{ queueSize: [256] }, /"queueSize" is \[256\]/],
    [{ queueVector: [0, NaN] }, /"queueVector"/],
    [{ queueVector: [0, 0] }, /a vector that does not exist/],
    [{ driverFeaturesLow: 0xffff_ffff }, /features that are not offered/],
    [{ driverFeaturesHigh: 0 }, /features that are not offered/],
    [{ config: [1] }, /"config"/],
    [{ more: 1 }, /"more" is unknown/],
  ];
  for (const [change, message] of bad) {
    const other = new Device();
    const before = virtioMmio.save(other.spec);
    assert.throws(
      () => virtioMmio.restore(other.spec, { ...saved, ...change } as typeof saved),
      (error: unknown) => error instanceof DeviceStateError && message.test(error.message),
    );
    assert.deepEqual(virtioMmio.save(other.spec), before);
  }
});

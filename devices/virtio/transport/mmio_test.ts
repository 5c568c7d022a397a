import assert from "node:assert/strict";
import { bit, Status, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from "../features.ts";
import { openInterrupts } from "../interrupts.ts";
import { Word } from "../shared.ts";
import { MMIO_WINDOW, mmioDoorbells, MmioRegister as Register, virtioMmio } from "./mmio.ts";
import { BASE, MmioDevice } from "./mmio_test_driver.ts";
import { Fd, TEST_FEATURE, testSlot } from "./test_slot.ts";

const { acknowledge, driver, driverOk, featuresOk, needsReset, failed } = Status;

Deno.test("a driver that probes as Linux does gets its queues and features to the core", () => {
  const device = new MmioDevice();
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
    const device = new MmioDevice();
    device.addStatus(acknowledge | driver);
    device.accept(features);
    assert.equal((device.addStatus(featuresOk) & featuresOk) !== 0, taken, `${features}`);
    assert.equal((device.addStatus(driverOk) & driverOk) !== 0, taken);
    assert.equal(device.signals(Fd.control), taken ? 1 : 0);
  }
});

Deno.test("features are settled by FEATURES_OK, and a status bit stays once it is set", () => {
  const device = new MmioDevice();
  device.addStatus(acknowledge | driver);
  device.accept(bit(VIRTIO_F_VERSION_1));
  device.addStatus(featuresOk);
  device.accept(bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE));
  assert.equal(device.shared.driverFeatures, bit(VIRTIO_F_VERSION_1));
  device.write(Register.status, acknowledge);
  assert.equal(device.read(Register.status), acknowledge | driver | featuresOk);
});

Deno.test("a driver can't set DEVICE_NEEDS_RESET, and one that has failed can't be ready", () => {
  const device = new MmioDevice();
  assert.equal(device.addStatus(acknowledge | driver | needsReset), acknowledge | driver);
  device.accept(bit(VIRTIO_F_VERSION_1));
  device.addStatus(featuresOk);
  assert.equal(device.addStatus(failed | driverOk), acknowledge | driver | featuresOk | failed);
});

Deno.test("features beyond the sixty-fourth read as not offered", () => {
  const device = new MmioDevice();
  for (const select of [2, 3, 0xffff_ffff]) {
    device.write(Register.deviceFeaturesSel, select);
    assert.equal(device.read(Register.deviceFeatures), 0);
    device.write(Register.driverFeaturesSel, select);
    device.write(Register.driverFeatures, 0xffff_ffff);
  }
  assert.equal(device.shared.driverFeatures, 0n);
});

/** A device whose driver has its features settled. */
function negotiated(features = bit(VIRTIO_F_VERSION_1)): MmioDevice {
  const device = new MmioDevice();
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
  const device = new MmioDevice();
  device.write(Register.queueSel, 0);
  device.write(Register.queueReady, 1);
  assert.equal(device.read(Register.queueReady), 0);
});

Deno.test("interrupts show in the status until the driver acknowledges them, bit by bit", () => {
  const device = new MmioDevice();
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
  const device = new MmioDevice();
  assert.deepEqual(mmioDoorbells(device.spec), [
    { eventfd: Fd.kick, address: BASE + 0x50, length: 4, datamatch: 0 },
    { eventfd: Fd.kick + 1, address: BASE + 0x50, length: 4, datamatch: 1 },
  ]);
  for (const queue of [1, 2, 0xffff_ffff]) device.write(Register.queueNotify, queue);
  assert.deepEqual([...device.rig.edges], [[Fd.kick + 1, 1]]);
});

Deno.test("the configuration is read in every width, and is 0 behind its end", () => {
  const device = new MmioDevice({ config: [1, 2, 3, 4, 5, 6] });
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
  const device = new MmioDevice({
    writableConfig: [{ offset: 2, size: 1 }, { offset: 7, size: 1 }],
  });
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

Deno.test("a device with vectors is none of this transport's", () => {
  assert.throws(
    () => virtioMmio.create({ slot: testSlot({ kind: "msix" }), base: BASE }),
    RangeError,
  );
});

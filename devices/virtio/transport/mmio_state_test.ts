/**
 * Which states a device on MMIO goes through: resets, whatever its driver does to it, saves and restores.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { DeviceStateError } from "../../state.ts";
import { bit, Status, VIRTIO_F_VERSION_1 } from "../features.ts";
import { Word } from "../shared.ts";
import { MMIO_WINDOW, MmioRegister as Register, virtioMmio } from "./mmio.ts";
import { MmioDevice } from "./mmio_test_driver.ts";
import { Fd } from "./test_slot.ts";

const { acknowledge, driver, driverOk, featuresOk, needsReset } = Status;

Deno.test("a driver is unbound and bound again and again, and the core is reset each time", () => {
  const device = new MmioDevice();
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
  const device = new MmioDevice();
  device.core.stuck = true;
  device.addStatus(acknowledge | driver);
  device.accept(1n << 32n);
  device.write(Register.status, 0);
  assert.equal(device.read(Register.status), 0);
  device.write(Register.driverFeaturesSel, 1);
  assert.equal(device.shared.driverFeatures, 0n);
  assert.equal(device.signals(Fd.control), 0);
});

Deno.test("a reset waits until the core has let go of the queues", async () => {
  const device = new MmioDevice();
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
  const device = new MmioDevice();
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
  const device = new MmioDevice();
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
    const device = new MmioDevice({ writableConfig: [{ offset: 0, size: 2 }] });
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
    const other = new MmioDevice();
    virtioMmio.restore(other.spec, JSON.parse(JSON.stringify(saved)));
    assert.deepEqual(virtioMmio.save(other.spec), saved);
  }));
});

Deno.test("a device that is restored goes on where it was saved", () => {
  const device = new MmioDevice();
  device.probe();
  device.shared.setPosition(1, { nextAvailable: 17, nextUsed: 16 });
  device.shared.set(Word.interruptStatus, 1);
  device.shared.config[3] = 0xaa;
  const restored = new MmioDevice();
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
  const device = new MmioDevice();
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
    const other = new MmioDevice();
    const before = virtioMmio.save(other.spec);
    assert.throws(
      () => virtioMmio.restore(other.spec, { ...saved, ...change } as typeof saved),
      (error: unknown) => error instanceof DeviceStateError && message.test(error.message),
    );
    assert.deepEqual(virtioMmio.save(other.spec), before);
  }
});

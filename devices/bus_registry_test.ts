import assert from "node:assert/strict";
import { attachDevice, deviceKinds, deviceModule, UnknownDeviceError } from "./bus_registry.ts";
import { platformModule, platformModules } from "./platform_registry.ts";
import { postCode } from "./legacy/mod.ts";
import { TestRig } from "./test_rig.ts";
import { testSlot } from "./virtio/transport/test_slot.ts";

Deno.test("each kind of device is in the registry once, under its own name", () => {
  assert.equal(new Set(deviceKinds).size, deviceKinds.length);
  for (const kind of deviceKinds) assert.equal(deviceModule(kind).kind, kind);
});

Deno.test("a spec is attached by its kind, without its module being named", () => {
  const rig = new TestRig();
  const { ranges, lock } = attachDevice(postCode.create({}), rig.context);
  for (const { space, base, size, device } of ranges) rig[space].insert(base, size, device, lock);
  rig.out(0x80, 0x12);
  assert.equal(rig.in(0x80), 0x12);
});

Deno.test("options that a kind does not have are passed over, so that all kinds are made alike", () => {
  const range = { base: 0x1000_0000, size: 0x10_0000 };
  const transport = { slot: testSlot({ kind: "line" }) };
  const bus = { ecam: range, window: range, messages: range, functions: [] };
  const options = {
    base: 0x3f8,
    memoryBelow4G: 2 ** 20,
    irqFd: undefined,
    ...transport,
    ...bus,
  };
  for (const kind of deviceKinds) {
    assert.equal(deviceModule(kind).create(options as never).kind, kind);
  }
});

Deno.test("a kind that does not exist is an error that says which do", () => {
  assert.throws(
    () => attachDevice({ kind: "floppy" }, new TestRig().context),
    (error: unknown) =>
      error instanceof UnknownDeviceError && error.message.includes('"floppy"') &&
      error.message.includes("serial"),
  );
});

Deno.test("what a machine has unasked is found by its kind, and nothing else is", () => {
  for (const module of platformModules) assert.equal(platformModule(module.kind), module);
  assert.throws(
    () => platformModule("virtio-mmio"),
    /no machine has a device "virtio-mmio" unasked/,
  );
});

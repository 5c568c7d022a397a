import assert from "node:assert/strict";
import { Header } from "../../pci/config_space.ts";
import { pciHost } from "../../pci/mod.ts";
import { DeviceStateError } from "../../state.ts";
import { bit, Status, VIRTIO_F_VERSION_1 } from "../features.ts";
import { openInterrupts } from "../interrupts.ts";
import { NO_VECTOR, Word } from "../shared.ts";
import { createVirtioPci } from "./pci.ts";
import { Common } from "./pci_registers.ts";
import {
  COMMON,
  DEVICE,
  ISR,
  messageAddress,
  messageData,
  NOTIFY,
  PCI_WINDOW,
  PciDriver,
  PciMachine,
} from "./pci_test_driver.ts";
import { Fd, FIRST_GSI, TEST_FEATURE, testSlot, type TestSlotOptions } from "./test_slot.ts";

function machine(options: Partial<TestSlotOptions> = {}) {
  const machine = new PciMachine([options]);
  const driver = new PciDriver(machine);
  const interrupts = openInterrupts(
    machine.slots[0],
    (fd) => machine.rig.context.irq(fd).trigger(),
  );
  return { machine, driver, interrupts, core: machine.cores[0], rig: machine.rig };
}

Deno.test("a driver that probes as Linux does gets its queues and features to the core", () => {
  for (const interrupts of ["msix", "pin"] as const) {
    const { driver, core } = machine();
    driver.probe(interrupts);
    assert.equal(core.started?.features, bit(VIRTIO_F_VERSION_1) | bit(TEST_FEATURE));
    assert.deepEqual(
      core.started.queues,
      [256, 64].map((size, index) => ({
        index,
        size,
        descriptorArea: 0x10000 * (index + 1),
        driverArea: 0x10000 * (index + 1) + 0x1000 + 2 ** 32,
        deviceArea: 0x10000 * (index + 1) + 0x2000 + 2 * 2 ** 32,
        position: undefined,
      })),
    );
  }
});

Deno.test("the function is a modern virtio device with a class by its type", () => {
  for (
    const [deviceType, classCode] of [[1, 0x020000], [2, 0x018000], [3, 0x078000], [4, 0xff0000]]
  ) {
    const { driver } = machine({ deviceType });
    assert.equal(driver.config(Header.vendorId, 4), ((0x1040 + deviceType) << 16) | 0x1af4);
    assert.equal(driver.config(Header.subsystemVendorId, 4), driver.config(Header.vendorId, 4));
    assert.equal(driver.config(Header.revision, 4), ((classCode << 8) | 1) >>> 0);
    assert.equal(driver.config(Header.interruptLine, 2), 0x0111);
  }
});

Deno.test("the structures are those of the specification, and a device without configuration has none for it", () => {
  const { driver } = machine();
  driver.scan();
  assert.deepEqual([...driver.structures.keys()].sort(), [COMMON, NOTIFY, ISR, DEVICE, PCI_WINDOW]);
  assert.equal(driver.structures.get(COMMON)!.length, 56);
  assert.equal(driver.structures.get(DEVICE)!.length, 8);
  assert.equal(driver.config(driver.structures.get(NOTIFY)!.at + 16, 4), 4, "the multiplier");
  const bare = machine({ config: [] }).driver;
  bare.scan();
  assert.ok(!bare.structures.has(DEVICE));
});

Deno.test("a driver is unbound and bound again and again, with either kind of interrupts", () => {
  const { driver, core, rig } = machine();
  for (let round = 1; round <= 10; round++) {
    driver.probe(round % 2 === 0 ? "pin" : "msix");
    assert.notEqual(core.started, undefined);
    driver.remove();
    assert.equal(core.started, undefined);
    assert.equal(core.resets, round);
  }
  assert.equal(rig.doorbells.size, 2, "memory is still enabled");
});

Deno.test("doorbells follow the BAR, and a notification on the bus finds its queue", () => {
  const { machine: { rig }, driver } = machine();
  driver.scan();
  assert.equal(rig.doorbells.size, 0, "not decoded yet");
  driver.enable();
  const doorbells = () =>
    [...rig.doorbells].map(({ address, eventfd, length }) => ({
      at: address - driver.address(NOTIFY, 0),
      eventfd,
      length,
    }));
  const expected = [0, 1].map((i) => ({ at: 4 * i, eventfd: Fd.kick + i, length: 0 }));
  assert.deepEqual(doorbells(), expected);
  driver.setConfig(Header.bar0, 4, driver.bar + 0x10_0000);
  assert.deepEqual(doorbells(), expected);
  driver.write(NOTIFY, 4, 2, 1);
  driver.write(NOTIFY, 8, 2, 2);
  assert.deepEqual([...rig.edges], [[Fd.kick + 1, 1]]);
  driver.setConfig(Header.command, 2, 4);
  assert.equal(rig.doorbells.size, 0);
});

Deno.test("the interrupt status is taken back by reading it, and shows in the PCI status", () => {
  const { machine, driver, interrupts } = setUp("pin");
  assert.equal(driver.config(Header.status, 2) & 8, 0);
  interrupts.queue(0);
  interrupts.config();
  assert.equal(driver.config(Header.command, 4) >>> 16, 0x18);
  assert.equal(driver.config(Header.status, 1), 0x18);
  assert.equal(machine.signals(Fd.pin), 2);
  assert.equal(driver.read(ISR, 0, 1), 3);
  assert.equal(driver.read(ISR, 0, 1), 0);
  assert.equal(driver.config(Header.status, 2) & 8, 0);
});

/** A machine whose driver is ready. */
function setUp(kind: "msix" | "pin", options: Partial<TestSlotOptions> = {}) {
  const all = machine(options);
  all.driver.probe(kind);
  return all;
}

Deno.test("the pin is raised again at the end of an interrupt while the status says so", () => {
  const { machine, driver, interrupts } = setUp("pin");
  interrupts.queue(0);
  interrupts.resampled();
  assert.equal(machine.signals(Fd.pin), 2);
  driver.read(ISR, 0, 1);
  interrupts.resampled();
  assert.equal(machine.signals(Fd.pin), 2);
});

Deno.test("a pin that is switched off stays low, and rises when it's switched on", () => {
  const { machine, driver, interrupts } = setUp("pin");
  const command = driver.config(Header.command, 2);
  driver.setConfig(Header.command, 2, command | 0x400);
  interrupts.queue(0);
  assert.equal(machine.signals(Fd.pin), 0);
  assert.equal(driver.config(Header.status, 2) & 8, 8);
  driver.setConfig(Header.command, 2, command);
  assert.equal(machine.signals(Fd.pin), 1);
  driver.setConfig(Header.command, 2, command);
  assert.equal(machine.signals(Fd.pin), 1);
});

Deno.test("with MSI-X each event goes by its own vector, and the pin stays low", () => {
  const { machine, driver, interrupts, rig } = setUp("msix");
  interrupts.config();
  interrupts.queue(0);
  interrupts.queue(1);
  interrupts.queue(1);
  assert.deepEqual([0, 1, 2].map((i) => machine.signals(Fd.vector + i)), [1, 1, 2]);
  assert.equal(machine.signals(Fd.pin), 0);
  assert.equal(driver.read(ISR, 0, 1), 2, "a configuration change shows in any case");
  assert.deepEqual(
    [...rig.messages],
    [0, 1, 2].map((vector) => [
      FIRST_GSI + vector,
      [0, messageAddress(vector), messageData(1, vector)],
    ]),
  );
});

Deno.test("an event without a vector interrupts nobody, and a vector that does not exist is none", () => {
  const { machine, driver, interrupts } = setUp("msix");
  for (const vector of [3, 0x7fff, NO_VECTOR]) {
    driver.setCommon(Common.queueSelect, 2, 0);
    driver.setCommon(Common.queueMsixVector, 2, vector);
    assert.equal(driver.common(Common.queueMsixVector, 2), NO_VECTOR);
    driver.setCommon(Common.configMsixVector, 2, vector);
    assert.equal(driver.common(Common.configMsixVector, 2), NO_VECTOR);
  }
  interrupts.queue(0);
  interrupts.config();
  assert.deepEqual([0, 1, 2].map((i) => machine.signals(Fd.vector + i)), [0, 0, 0]);
});

Deno.test("a masked vector's message waits, shows as pending, and is sent once when it's unmasked", () => {
  const { machine, driver, interrupts } = setUp("msix");
  driver.setMask(1, true);
  interrupts.queue(0);
  interrupts.queue(0);
  assert.equal(driver.pending(), 1 << 1);
  assert.equal(machine.signals(Fd.vector + 1), 0);
  driver.setMask(1, false);
  assert.equal(machine.signals(Fd.vector + 1), 1);
  assert.equal(driver.pending(), 0);
  driver.setMsix(true, true);
  interrupts.queue(0);
  interrupts.queue(1);
  assert.equal(driver.pending(), 6);
  driver.setMsix(true, false);
  assert.deepEqual([1, 2].map((i) => machine.signals(Fd.vector + i)), [2, 1]);
});

Deno.test("a message is routed before its vector opens, and only when it differs from the route", () => {
  const { machine, driver, interrupts, rig } = setUp("msix");
  const routed: number[] = [];
  rig.messages.set = (gsi, message) => {
    routed.push(gsi);
    assert.equal(machine.signals(Fd.vector + 1), 0, "nothing is sent by the route before");
    return Map.prototype.set.call(rig.messages, gsi, message);
  };
  driver.setMask(1, true);
  interrupts.queue(0);
  driver.setEntry(1, 0xfee1_0000, 0x55, true);
  assert.deepEqual(routed, []);
  driver.setMask(1, false);
  assert.deepEqual(routed, [FIRST_GSI + 1]);
  assert.equal(machine.signals(Fd.vector + 1), 1);
  assert.deepEqual(rig.messages.get(FIRST_GSI + 1), [0, 0xfee1_0000, 0x55]);
  driver.setMask(1, true);
  driver.setMask(1, false);
  driver.setMsix(true, true);
  driver.setMsix(true, false);
  assert.deepEqual(routed, [FIRST_GSI + 1]);
});

Deno.test("a vector whose address is no interrupt message's stays closed until it has one", () => {
  const { machine, driver, interrupts, rig } = setUp("msix");
  for (const address of [0, 0xfedf_fffc, 0xfef0_0000, 2 ** 32 + 0xfee0_0000]) {
    driver.setMask(1, true);
    driver.setEntry(1, address, 0x66, true);
    driver.setMask(1, false);
    interrupts.queue(0);
    assert.equal(machine.signals(Fd.vector + 1), 0);
  }
  assert.notEqual(rig.messages.get(FIRST_GSI + 1)?.[2], 0x66);
  assert.equal(driver.pending(), 2);
  driver.setMask(1, false);
  rig.mmio.write(driver.table(1, 1), 4, 0);
  assert.equal(machine.signals(Fd.vector + 1), 1);
  assert.deepEqual(rig.messages.get(FIRST_GSI + 1), [0, 0xfee0_0000, 0x66]);
});

Deno.test("the MSI-X table is read as it was written, and is 0 behind its end", () => {
  const { driver, rig } = setUp("msix");
  driver.setEntry(2, 0xfee0_1004, 0xabcd, true);
  assert.deepEqual([0, 1, 2, 3].map((i) => rig.mmio.read(driver.table(2, i), 4)), [
    0xfee0_1004,
    0,
    0xabcd,
    1,
  ]);
  assert.equal(rig.mmio.read(driver.table(2, 2) + 1, 1), 0xab);
  rig.mmio.write(driver.table(2, 2), 2, 0);
  rig.mmio.write(driver.table(3, 0), 4, 0xfee0_0000);
  assert.equal(rig.mmio.read(driver.table(2, 2), 4), 0xabcd, "only whole doublewords are written");
  assert.equal(rig.mmio.read(driver.table(3, 0), 4), 0);
});

Deno.test("a register's address can be read and written through the configuration space", () => {
  const { driver, core } = machine();
  driver.scan();
  const { at } = driver.structures.get(PCI_WINDOW)!;
  const access = (offset: number, length: number) => {
    driver.setConfig(at + 8, 4, offset);
    driver.setConfig(at + 12, 4, length);
  };
  access(Common.numQueues, 2);
  assert.equal(driver.config(at + 16, 4), 2);
  access(Common.deviceStatus, 1);
  driver.setConfig(at + 16, 4, Status.acknowledge);
  assert.equal(core.shared.get(Word.status), Status.acknowledge);
  for (const length of [0, 3, 8, 0xffff_ffff]) {
    access(Common.deviceStatus, length);
    driver.setConfig(at + 16, 4, 0xff);
    assert.equal(driver.config(at + 16, 4), 0);
  }
  access(0x1_0000, 4);
  assert.equal(driver.config(at + 16, 4), 0);
  access(Common.deviceStatus, 1);
  driver.setConfig(at + 4, 1, 1);
  assert.equal(driver.config(at + 16, 4), 0, "there is no BAR 1");
  assert.equal(core.shared.get(Word.status), Status.acknowledge);
});

Deno.test("the status is not 0 until the core has let go, and the write waits no longer than a while", () => {
  const { driver, core } = setUp("msix");
  core.stuck = true;
  const began = performance.now();
  driver.setCommon(Common.deviceStatus, 1, 0);
  assert.ok(performance.now() - began < 1000);
  assert.equal(driver.common(Common.deviceStatus, 1), Status.needsReset);
  core.stuck = false;
  core.look();
  assert.equal(driver.common(Common.deviceStatus, 1), 0);
});

Deno.test("the configuration's generation is the lowest byte of it", () => {
  const { driver, core } = setUp("msix");
  core.shared.set(Word.generation, 0x1ff);
  assert.equal(driver.common(Common.configGeneration, 1), 0xff);
  assert.equal(driver.read(DEVICE, 1, 2), 0x0302);
});

Deno.test("a device on PCI has its vectors, and no more queues than there's room for", () => {
  assert.throws(() => createVirtioPci(testSlot({ kind: "line" }), 16), RangeError);
  const queueSizes = Array.from({ length: 1024 }, () => 2);
  assert.throws(() => createVirtioPci(testSlot({ kind: "msix", queueSizes }), 16), RangeError);
  createVirtioPci(testSlot({ kind: "msix", queueSizes: queueSizes.slice(1) }), 16);
});

Deno.test("a bus that is restored has its doorbells, routes, pins and drivers again", () => {
  const saving = new PciMachine([{}, {}, {}]);
  const drivers = saving.slots.map((_, i) => new PciDriver(saving, i + 1));
  drivers[0].probe("msix");
  drivers[1].probe("pin");
  drivers[0].setConfig(Header.bar0, 4, 0xc0f0_0000);
  drivers[0].setMask(2, true);
  saving.cores[1].shared.set(Word.interruptStatus, 1);
  saving.cores[0].shared.setPosition(0, { nextAvailable: 5, nextUsed: 4 });
  const saved = JSON.parse(JSON.stringify(pciHost.save(saving.spec)));

  const restored = new PciMachine([{}, {}, {}]);
  assert.deepEqual([restored.rig.doorbells.size, restored.rig.messages.size], [0, 0]);
  const { spec, rig } = restored;
  pciHost.restore(spec, saved);
  // Restored before it is attached, as in a machine that is built anew; attached in two isolates.
  for (let isolate = 0; isolate < 2; isolate++) pciHost.attach(structuredClone(spec), rig.context);
  assert.deepEqual(
    [...rig.doorbells].map(({ eventfd, address }) => [eventfd, address]),
    [...saving.rig.doorbells].map(({ eventfd, address }) => [eventfd, address])
      .sort(([a], [b]) => a - b),
  );
  assert.deepEqual([...rig.messages.keys()], [FIRST_GSI, FIRST_GSI + 1]);
  assert.ok(restored.signals(FDS + Fd.pin) > 0, "the second device's pin is high");
  assert.equal(restored.signals(Fd.pin), 0);
  const [first] = restored.slots.map((_, i) => new PciDriver(restored, i + 1));
  first.scan();
  assert.equal(first.bar, 0xc0f0_0000);
  assert.equal(first.common(Common.deviceStatus, 1), 0xf);
  first.setMask(2, false);
  assert.deepEqual(rig.messages.get(FIRST_GSI + 2), [0, messageAddress(2), messageData(1, 2)]);
  assert.deepEqual(restored.cores[0].shared.agreed(), saving.cores[0].shared.agreed());
});
const FDS = 1000;

Deno.test("saved state of other devices is refused, and changes nothing", () => {
  const saved = pciHost.save(new PciMachine([{}]).spec);
  const bad: [Partial<TestSlotOptions>, Record<string, unknown>, RegExp][] = [
    [{ deviceType: 4 }, {}, /"device1.configSpace" has another function's byte at 2/],
    [{}, { bridge: saved["device1.configSpace"] }, /"bridge" has another function's byte at 0/],
    [{}, { "device1.status": 4 }, /in use without FEATURES_OK/],
    [{}, { "device2.status": 0 }, /"device2.status" is unknown/],
    [{}, { configAddress: -1 }, /"configAddress"/],
  ];
  for (const [options, change, message] of bad) {
    const { spec } = new PciMachine([options]);
    const before = pciHost.save(spec);
    assert.throws(
      () => pciHost.restore(spec, { ...saved, ...change } as typeof saved),
      (error: unknown) => error instanceof DeviceStateError && message.test(error.message),
    );
    assert.deepEqual(pciHost.save(spec), before);
  }
});

Deno.test("a saved vector with an address that KVM would refuse is closed when it is restored", () => {
  const { machine: saving } = setUp("msix");
  const saved = pciHost.save(saving.spec);
  const restored = new PciMachine([{}]);
  pciHost.restore(restored.spec, { ...saved, "device1.vectorAddressHigh": [1, 1, 1] });
  pciHost.attach(restored.spec, restored.rig.context);
  assert.equal(restored.rig.messages.size, 0);
});

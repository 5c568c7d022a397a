import assert from "node:assert/strict";
import fc from "fast-check";
import { PIO_SPACE_SIZE } from "../../src/bus/mod.ts";
import { openInterrupts } from "../virtio/interrupts.ts";
import { Word } from "../virtio/shared.ts";
import { BAR_SIZE, Region } from "../virtio/transport/pci_layout.ts";
import {
  CONFIG_PORT,
  ECAM,
  MESSAGES,
  NOTIFY,
  PciDriver,
  PciMachine,
  WINDOW,
} from "../virtio/transport/pci_test_driver.ts";
import { Fd, FDS_EACH, TestCore, testSlot } from "../virtio/transport/test_slot.ts";
import { createVirtioPci } from "../virtio/transport/pci.ts";
import { Command, Header } from "./config_space.ts";
import { MAX_PCI_FUNCTIONS, pciHost } from "./mod.ts";

const NOTHING = 0xffff_ffff;

Deno.test("the ECAM shows the bridge, the functions and nothing else", () => {
  const machine = new PciMachine([{ deviceType: 1 }, { deviceType: 2 }]);
  const found: [device: number, ids: number][] = [];
  for (let device = 0; device < 32; device++) {
    for (let fn = 0; fn < 8; fn++) {
      const ids = machine.readConfig(device, fn * 0x1000, 4);
      if (ids !== NOTHING) found.push([device * 8 + fn, ids]);
    }
  }
  assert.deepEqual(found, [[0, 0x0008_1b36], [8, 0x1041_1af4], [16, 0x1042_1af4]]);
  assert.equal(machine.readConfig(0, Header.revision, 4), 0x0600_0000, "a host bridge");
});

Deno.test("extended configuration space reads all ones, so that nobody looks for capabilities there", () => {
  const machine = new PciMachine([{}]);
  for (const device of [0, 1]) {
    for (const offset of [0x100, 0xffc]) {
      assert.equal(machine.readConfig(device, offset, 4), NOTHING);
      machine.writeConfig(device, offset, 4, 0);
    }
    assert.equal(machine.readConfig(device, 0xfe, 4), NOTHING, "across the end");
    assert.equal(machine.readConfig(device, 0xffe, 4), NOTHING, "across two functions");
  }
});

Deno.test("mechanism #1 reaches the same registers, in every width", () => {
  const { rig } = new PciMachine([{}]);
  const select = (device: number, register: number, fn = 0, bus = 0) =>
    rig.pio.write(
      CONFIG_PORT,
      4,
      (0x8000_0000 | (bus << 16) | (device << 11) | (fn << 8) | register) >>> 0,
    );
  // What Linux does to find the mechanism (arch/x86/pci/direct.c, pci_check_type1).
  rig.pio.write(CONFIG_PORT + 3, 1, 1);
  const before = rig.pio.read(CONFIG_PORT, 4);
  rig.pio.write(CONFIG_PORT, 4, 0x8000_0000);
  assert.equal(rig.pio.read(CONFIG_PORT, 4), 0x8000_0000);
  rig.pio.write(CONFIG_PORT, 4, before);
  select(0, 8);
  assert.equal(rig.pio.read(CONFIG_PORT + 6, 2), 0x0600, "the class of a host bridge");

  select(1, 0);
  assert.equal(rig.pio.read(CONFIG_PORT + 4, 4), 0x1042_1af4);
  assert.equal(rig.pio.read(CONFIG_PORT + 6, 2), 0x1042);
  assert.equal(rig.pio.read(CONFIG_PORT + 7, 1), 0x10);
  select(1, Header.interruptLine);
  rig.pio.write(CONFIG_PORT + 4, 1, 0x77);
  assert.equal(rig.pio.read(CONFIG_PORT + 4, 2), 0x0177);
  for (const [device, fn, bus] of [[1, 1, 0], [1, 0, 1], [2, 0, 0], [31, 7, 255]]) {
    select(device, 0, fn, bus);
    assert.equal(rig.pio.read(CONFIG_PORT + 4, 4), NOTHING);
    rig.pio.write(CONFIG_PORT + 4, 4, 0);
  }
  rig.pio.write(CONFIG_PORT, 4, 1 << 11);
  assert.equal(rig.pio.read(CONFIG_PORT + 4, 4), NOTHING, "not enabled");
});

Deno.test("a guest resets its machine through 0xcf9, when the bit goes from 0 to 1", () => {
  const { rig } = new PciMachine([]);
  // Linux's reboot=pci: native_machine_emergency_restart, BOOT_CF9_FORCE.
  const code = 0x0e;
  const cf9 = rig.pio.read(0xcf9, 1) & ~code;
  rig.pio.write(0xcf9, 1, cf9 | 2);
  assert.deepEqual(rig.requests, []);
  rig.pio.write(0xcf9, 1, cf9 | code);
  rig.pio.write(0xcf9, 1, cf9 | code);
  assert.deepEqual(rig.requests, ["reset 0xcf9"]);
  assert.equal(rig.pio.read(CONFIG_PORT, 4), 0, "the address register is another one");
});

Deno.test("BARs are placed side by side, aligned, and decoded when memory is enabled", () => {
  const machine = new PciMachine([{}, {}, {}]);
  const drivers = [1, 2, 3].map((device) => new PciDriver(machine, device));
  assert.deepEqual(drivers.map(({ bar }) => bar), [0, 1, 2].map((i) => WINDOW.base + i * BAR_SIZE));
  const { mmio } = machine.rig;
  assert.equal(mmio.read(drivers[1].bar + 0x12, 2), 0xffff);
  drivers[1].setConfig(Header.command, 2, Command.memory);
  assert.equal(mmio.read(drivers[1].bar + 0x12, 2), 2, "the number of queues");
  assert.equal(mmio.read(drivers[1].bar - 2, 4), NOTHING, "across its beginning");
  assert.equal(mmio.read(drivers[1].bar + BAR_SIZE - 2, 4), NOTHING, "across its end");
  assert.equal(mmio.read(drivers[0].bar + 0x12, 2), 0xffff);
});

Deno.test("a BAR outside the window is not decoded", () => {
  const machine = new PciMachine([{}]);
  const driver = new PciDriver(machine);
  driver.scan();
  driver.enable();
  const outside = [0, WINDOW.base - BAR_SIZE, WINDOW.base + WINDOW.size, ECAM.base, 0xfee0_0000];
  for (const bar of outside) {
    driver.setConfig(Header.bar0, 4, bar);
    assert.equal(machine.rig.doorbells.size, 0, bar.toString(16));
    assert.equal(machine.rig.mmio.read(bar, 4), bar === ECAM.base ? 0x0008_1b36 : NOTHING);
  }
  driver.setConfig(Header.bar0, 4, WINDOW.base + WINDOW.size - BAR_SIZE);
  assert.equal(machine.rig.doorbells.size, 2);
});

Deno.test("of BARs that overlap the one with the lower device number is decoded, and the other when it may be", () => {
  const machine = new PciMachine([{}, {}]);
  const [first, second] = [1, 2].map((device) => new PciDriver(machine, device));
  const { doorbells } = machine.rig;
  for (const driver of [first, second]) {
    driver.scan();
    driver.enable();
  }
  const fds = () => [...doorbells].map(({ eventfd }) => eventfd).sort();
  const [own, others] = [[Fd.kick, Fd.kick + 1], [FDS_EACH + Fd.kick, FDS_EACH + Fd.kick + 1]];
  second.setConfig(Header.bar0, 4, first.bar);
  assert.deepEqual(fds(), own);
  first.setConfig(Header.command, 2, 0);
  assert.deepEqual(fds(), others);
  first.setConfig(Header.command, 2, Command.memory);
  assert.deepEqual(fds(), own);
  second.setConfig(Header.bar0, 4, first.bar + BAR_SIZE);
  assert.deepEqual(fds(), [...own, ...others].sort());
  // They change places in two steps, in between both are at one address.
  const [a, b] = [first.bar, second.bar];
  first.setConfig(Header.bar0, 4, b);
  second.setConfig(Header.bar0, 4, a);
  assert.deepEqual(
    [...doorbells].map(({ address, eventfd }) => [eventfd, address]).sort(),
    [[Fd.kick, b + Region.notify.offset], [Fd.kick + 1, b + Region.notify.offset + 4]]
      .concat(others.map((fd, i) => [fd, a + Region.notify.offset + 4 * i])).sort(),
  );
});

Deno.test("a bus takes 31 devices, and no more than its window holds", () => {
  const functions = Array.from(
    { length: 32 },
    (_, index) => createVirtioPci(testSlot({ kind: "msix", index }), 16),
  );
  const options = { ecam: ECAM, window: WINDOW, messages: MESSAGES };
  assert.throws(() => pciHost.create({ ...options, functions }), /32 devices .* room for 31/);
  pciHost.create({ ...options, functions: functions.slice(1) });
  assert.equal(MAX_PCI_FUNCTIONS, 31);
  const window = { ...WINDOW, size: BAR_SIZE };
  assert.throws(
    () => pciHost.create({ ...options, window, functions: functions.slice(0, 2) }),
    /do not fit the PCI window/,
  );
});

const widths = fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>;
const values = fc.oneof(
  fc.integer({ min: 0, max: 32 }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(WINDOW.base, WINDOW.base + BAR_SIZE, 0xfee0_0000, 0xffff_ffff, 0x8000_0000),
);
/** Addresses in all that the bridge claims, those with something behind more often. */
const places = fc.oneof(
  fc.record({
    space: fc.constant("mmio" as const),
    address: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 0xff })).map((
      [device, offset],
    ) => ECAM.base + device * 0x8000 + offset),
  }),
  fc.record({
    space: fc.constant("mmio" as const),
    address: fc.integer({ min: ECAM.base, max: ECAM.base + ECAM.size - 1 }),
  }),
  fc.record({
    space: fc.constant("mmio" as const),
    address: fc.tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.oneof(
        fc.integer({ min: 0, max: Region.common.size }),
        fc.integer({ min: 0x1000, max: 0x3010 }),
        fc.integer({ min: Region.msixTable.offset, max: Region.msixTable.offset + 64 }),
        fc.integer({ min: 0, max: BAR_SIZE }),
      ),
    ).map(([device, offset]) => WINDOW.base + device * BAR_SIZE + offset),
  }),
  fc.record({
    space: fc.constant("pio" as const),
    address: fc.integer({ min: CONFIG_PORT - 1, max: CONFIG_PORT + 8 }),
  }),
);
const accesses = fc.array(
  fc.record({ place: places, size: widths, value: values, isRead: fc.boolean() }),
  { maxLength: 200 },
);

Deno.test("accesses of every kind to all that the bridge claims stay within the devices' bounds", () => {
  assert.ok(CONFIG_PORT + 8 < PIO_SPACE_SIZE);
  fc.assert(
    fc.property(accesses, fc.boolean(), (list, isProbed) => {
      const machine = new PciMachine([{}, {}]);
      const { rig, slots, cores } = machine;
      // Another machine's device, with the eventfds of a third: nothing may get there.
      const stranger = testSlot({ kind: "msix", index: 2 });
      const strange = new TestCore(rig, stranger);
      if (isProbed) new PciDriver(machine, 1).probe("msix");
      const interrupts = slots.map((slot) =>
        openInterrupts(slot, (fd) => rig.context.irq(fd).trigger())
      );
      for (const { place: { space, address }, size, value, isRead } of list) {
        if (isRead) {
          const got = rig[space].read(address, size);
          assert.ok(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * size));
        } else rig[space].write(address, size, value);
        interrupts[value & 1].queue((value >> 1) & 1);
        interrupts[value & 1].config();
      }
      for (const { address, eventfd } of rig.doorbells) {
        assert.ok(address >= WINDOW.base && address < WINDOW.base + WINDOW.size);
        assert.ok(eventfd % FDS_EACH >= Fd.kick && eventfd % FDS_EACH < Fd.kick + 2);
      }
      assert.equal(
        new Set([...rig.doorbells].map(({ address }) => address)).size,
        rig.doorbells.size,
        "no address has two doorbells",
      );
      for (const [high, low] of rig.messages.values()) {
        assert.ok(high === 0 && low >= MESSAGES.base && low < MESSAGES.base + MESSAGES.size);
      }
      for (const fd of rig.edges.keys()) assert.ok(fd < 2 * FDS_EACH);
      for (const { shared, started } of cores) {
        assert.ok(!shared.configLock.held);
        assert.deepEqual([...shared.config], [1, 2, 3, 4, 5, 6, 7, 8]);
        if (started !== undefined) assert.equal(started.features & ~slots[0].features, 0n);
      }
      assert.equal(strange.shared.get(Word.status), 0);
      const saved = pciHost.save(machine.spec);
      const other = new PciMachine([{}, {}]);
      pciHost.restore(other.spec, JSON.parse(JSON.stringify(saved)));
      assert.deepEqual(pciHost.save(other.spec), saved);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a device's doorbells and registers are its own", () => {
  const machine = new PciMachine([{}, { queueSizes: [8] }]);
  const [first, second] = [1, 2].map((device) => new PciDriver(machine, device));
  first.probe("msix");
  second.probe("pin");
  second.write(NOTIFY, 0, 2, 0);
  assert.equal(machine.signals(FDS_EACH + Fd.kick), 1);
  assert.equal(machine.signals(Fd.kick), 0);
  second.reset();
  assert.equal(machine.cores[0].resets, 0);
  assert.notEqual(machine.cores[0].started, undefined);
});

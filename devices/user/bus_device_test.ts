import assert from "node:assert/strict";
import type { BusDevice } from "../../src/bus/mod.ts";
import { DeviceStateError } from "../state.ts";
import { TestRig } from "../test_rig.ts";
import { defineBusDevice, userBus, type UserBusOptions, type UserBusSpec } from "./bus_device.ts";
import { UserDeviceError } from "./errors.ts";
import { userDevice, UserModules } from "./modules.ts";

const URL = "file:///home/me/device.ts";

const counter = defineBusDevice({
  ranges: [{ space: "pio", size: 4 }],
  interrupt: true,
  state: { registers: { count: 0xffff_ffff }, numbers: { total: 2 ** 40 }, bytes: { last: 2 } },
  attach: ({ id, options, state, memory, irq, requests, interrupted }) => ({
    read(offset) {
      if (offset === 0) return state.count;
      return offset === 1 ? state.last[0] : memory.readU8(0x100);
    },
    write(_offset, size, value) {
      assert.equal(id, "counter0");
      assert.deepEqual(options, { step: 3 });
      assert.equal(interrupted(), false);
      state.count += 3;
      state.total -= value;
      state.last[0] = size;
      irq.trigger();
      if (value === 0xff) requests.exit(9);
    },
  }),
});

interface Attached {
  readonly rig: TestRig;
  readonly spec: UserBusSpec;
}

/** Attaches a device at the port 0x100. */
function attach(definition: unknown, options: Partial<UserBusOptions> = {}): Attached {
  const rig = new TestRig();
  const spec = userBus.create({
    id: "counter0",
    module: URL,
    values: { step: 3 },
    ranges: [{ space: "pio", base: 0x100, size: 4 }],
    ...options,
  });
  return { rig: attachAgain(rig, definition, spec), spec };
}

/** Attaches a device that is there in another isolate already. */
function attachAgain(rig: TestRig, definition: unknown, spec: UserBusSpec): TestRig {
  const device = userDevice(URL, { default: definition });
  const userModules = new UserModules(new Map([[URL, device]]));
  const module = {
    ...userBus,
    attach: (spec: UserBusSpec) => userBus.attach(spec, { ...rig.context, userModules }),
  };
  rig.attach(module, spec);
  return rig;
}

/** A device with one port. */
function onePort(device: unknown): unknown {
  return { ranges: [{ space: "pio", size: 4 }], attach: () => device };
}

const silent: BusDevice = { read: () => 0, write() {} };

Deno.test("a device sees its options, the guest's memory, its interrupt and the machine", () => {
  const { rig, spec } = attach(counter, { fields: counter.state, irqFd: 7 });
  rig.memory.writeU8(0x100, 0x5a);
  assert.equal(rig.in(0x102), 0x5a);
  rig.pio.write(0x100, 2, 0xff);
  assert.equal(rig.in(0x100), 3);
  assert.equal(rig.in(0x101), 2);
  assert.equal(rig.edges.get(7), 1);
  assert.deepEqual(rig.requests, ["exit 9"]);
  assert.deepEqual(userBus.save(spec), { version: 1, count: 3, total: -255, last: [2, 0] });
});

Deno.test("two isolates share one state, and variables are each one's own", () => {
  const definition = defineBusDevice({
    ranges: [{ space: "pio", size: 4 }],
    state: { registers: { shared: 0xff } },
    attach({ state }) {
      let own = 0;
      return {
        read: (offset) => offset === 0 ? state.shared : own,
        write: () => void [state.shared++, own++],
      };
    },
  });
  const { rig, spec } = attach(definition, { fields: definition.state });
  const other = attachAgain(new TestRig(), definition, spec);
  rig.out(0x100, 0);
  other.out(0x100, 0);
  other.out(0x100, 0);
  assert.deepEqual([rig.in(0x100), other.in(0x100)], [3, 3]);
  assert.deepEqual([rig.in(0x101), other.in(0x101)], [1, 2]);
});

Deno.test("its state is restored by name, and what does not fit is refused whole", () => {
  const { rig, spec } = attach(counter, { fields: counter.state, irqFd: 7, version: 2 });
  userBus.restore(spec, { version: 2, count: 40, total: -5, last: [1, 2] });
  rig.out(0x100, 1);
  const saved = { version: 2, count: 43, total: -6, last: [1, 2] };
  assert.deepEqual(userBus.save(spec), saved);
  for (
    const wrong of [
      { ...saved, version: 1 },
      { ...saved, count: -1 },
      { ...saved, last: [1] },
      { ...saved, more: 1 },
    ]
  ) {
    assert.throws(() => userBus.restore(spec, wrong), (error: unknown) => {
      assert(error instanceof DeviceStateError);
      assert.match(error.message, /"counter0"/);
      return true;
    });
  }
  assert.deepEqual(userBus.save(spec), saved);
});

Deno.test("several ranges have a device each", () => {
  const definition = {
    ranges: [{ space: "pio", size: 1 }, { space: "mmio", size: 4 }],
    attach: () => [{ ...silent, read: () => 1 }, { ...silent, read: () => 2 }],
  };
  const ranges = [
    { space: "pio", base: 0x10, size: 1 },
    { space: "mmio", base: 0x2000, size: 4 },
  ] as const;
  const { rig } = attach(definition, { ranges });
  assert.deepEqual([rig.in(0x10), rig.mmio.read(0x2000, 4)], [1, 2]);
});

Deno.test("an access that throws is an error that names the device, its module, the access and the line", () => {
  const device = {
    read() {
      throw new Error("no luck");
    },
    write() {
      throw "a string";
    },
  };
  const { rig } = attach(onePort(device));
  assert.throws(() => rig.pio.read(0x102, 2), (error: unknown) => {
    assert(error instanceof UserDeviceError);
    assert.deepEqual([error.device, error.module], ["counter0", URL]);
    assert.match(
      error.message,
      /^the device counter0 \(file:\/\/\/home\/me\/device\.ts\): read of 2 bytes at offset 2 threw Error: no luck\n +at .*bus_device_test\.ts/,
    );
    return true;
  });
  assert.throws(() => rig.out(0x100, 1), /write of 1 byte at offset 0 threw a string$/);
});

Deno.test("what a read gives has to be a number, at once", () => {
  for (
    const [value, message] of [
      [undefined, "undefined is not a number"],
      [5n, "bigint is not a number"],
      [Promise.resolve(5), "a Promise is not a number"],
    ] as const
  ) {
    const { rig } = attach(onePort({ read: () => value, write() {} }));
    assert.throws(() => rig.in(0x100), new RegExp(message));
  }
});

Deno.test("a write can't be asynchronous, and one that fails later ends nothing else", async () => {
  const { rig } = attach(
    onePort({ read: () => 0, write: () => Promise.reject(new Error("late")) }),
  );
  assert.throws(() => rig.out(0x100, 1), /an access can't be asynchronous/);
  await new Promise((resolve) => setTimeout(resolve, 1));
});

Deno.test("attach that throws, or gives no device, is told with the device's name", () => {
  const ranges = [{ space: "pio", size: 4 }];
  const throwing = () => {
    throw new Error("boom");
  };
  const wrong: [unknown, RegExp][] = [
    [{ ranges, attach: throwing }, /the device counter0 \(.*\): attach threw Error: boom/],
    [onePort(undefined), /attach did not give an object with the methods read and write/],
    [onePort({ read: () => 0 }), /attach did not give an object/],
    [onePort([silent, silent]), /attach gave 2 devices for 1 ranges/],
  ];
  for (const [definition, message] of wrong) {
    assert.throws(() => attach(definition), message);
  }
});

Deno.test("an interrupt that was not asked for throws when it is raised, and says what is missing", () => {
  const { rig } = attach({
    ranges: [{ space: "pio", size: 4 }],
    attach: ({ irq }: { irq: { trigger(): void } }) => ({
      read: () => 0,
      write: () => irq.trigger(),
    }),
  });
  assert.throws(() => rig.out(0x100, 1), /interrupt: true/);
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { Bus, type BusDevice, BusRangeError, DeviceLock, PIO_SPACE_SIZE } from "./mod.ts";

/** A device that keeps what is written, byte by byte, and logs each access. */
class Bytes implements BusDevice {
  readonly bytes: Uint8Array;
  readonly log: string[] = [];

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  read(offset: number, size: 1 | 2 | 4): number {
    this.log.push(`r${size}@${offset}`);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.bytes[offset + i];
    return value;
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    this.log.push(`w${size}@${offset}`);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
  }
}

const answers = (value: number): BusDevice => ({ read: () => value, write: () => {} });

Deno.test("a device sees offsets from the start of its range", () => {
  const bus = new Bus("pio", PIO_SPACE_SIZE);
  const device = new Bytes(8);
  bus.insert(0x3f8, 8, device);
  bus.write(0x3f9, 1, 0xab);
  assert.equal(bus.read(0x3f9, 1), 0xab);
  assert.equal(bus.read(0x3f8, 4), 0xab00);
  assert.deepEqual(device.log, ["w1@1", "r1@1", "r4@0"]);
});

Deno.test("values are unsigned and no wider than the access", () => {
  const bus = new Bus();
  bus.insert(0, 4, answers(-1));
  assert.equal(bus.read(0, 1), 0xff);
  assert.equal(bus.read(0, 2), 0xffff);
  assert.equal(bus.read(0, 4), 0xffff_ffff);
  const seen: number[] = [];
  bus.insert(4, 4, { read: () => 0, write: (_offset, _size, value) => void seen.push(value) });
  bus.write(4, 1, 0x1_23);
  bus.write(4, 2, 0x1_2345);
  bus.write(4, 4, -1);
  assert.deepEqual(seen, [0x23, 0x2345, 0xffff_ffff]);
});

Deno.test("an access that nobody claims reads as all ones, writes nothing and is counted", () => {
  const bus = new Bus();
  assert.equal(bus.read(0, 1), 0xff);
  const device = new Bytes(4);
  bus.insert(0x1000, 4, device);
  assert.equal(bus.read(0xfff, 2), 0xffff, "straddles the start");
  assert.equal(bus.read(0x1002, 4), 0xffff_ffff, "straddles the end");
  bus.write(0x1003, 2, 1);
  bus.write(0x1004, 1, 1);
  const view = new DataView(new ArrayBuffer(10));
  bus.readInto(0x1000, 8, view, 1);
  bus.writeFrom(0x1000, 8, view, 1);
  assert.equal(view.getBigUint64(1), 0xffff_ffff_ffff_ffffn);
  assert.equal(view.getUint8(0) + view.getUint8(9), 0, "nothing beside the field is touched");
  assert.equal(bus.unclaimedReads, 4);
  assert.equal(bus.unclaimedWrites, 3);
  assert.deepEqual(device.log, []);
});

Deno.test("an access across two neighbouring devices belongs to neither", () => {
  const bus = new Bus();
  bus.insert(0, 4, answers(1));
  bus.insert(4, 4, answers(2));
  assert.equal(bus.read(0, 4), 1);
  assert.equal(bus.read(4, 4), 2);
  assert.equal(bus.read(2, 4), 0xffff_ffff);
  assert.equal(bus.unclaimedReads, 1);
});

Deno.test("eight bytes are two accesses of four, low first, under one hold of the lock", () => {
  const bus = new Bus();
  const device = new Bytes(16);
  const lock = DeviceLock.create();
  bus.insert(0x2000, 16, device, lock);
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(8, 0x1122_3344_5566_7788n, true);
  bus.writeFrom(0x2004, 8, view, 8);
  bus.readInto(0x2004, 8, view, 0);
  assert.equal(view.getBigUint64(0, true), 0x1122_3344_5566_7788n);
  assert.deepEqual(device.log, ["w4@4", "w4@8", "r4@4", "r4@8"]);
});

Deno.test("the odd sizes that an access across a page leaves arrive in order and whole", () => {
  for (let size = 1; size <= 8; size++) {
    const bus = new Bus();
    const device = new Bytes(8);
    bus.insert(0, 8, device);
    const view = new DataView(new ArrayBuffer(18));
    for (let i = 0; i < 8; i++) view.setUint8(i, i + 1);
    bus.writeFrom(0, size, view, 0);
    bus.readInto(0, size, view, 9);
    for (let i = 0; i < 9; i++) {
      assert.equal(view.getUint8(9 + i), i < size ? i + 1 : 0, `byte ${i} of ${size}`);
    }
  }
});

Deno.test("a range that overlaps another is refused with both ranges in the message", () => {
  const bus = new Bus("pio", PIO_SPACE_SIZE);
  bus.insert(0x60, 5, answers(0));
  bus.insert(0x70, 2, answers(0));
  for (const [base, size] of [[0x60, 5], [0x64, 1], [0x5f, 2], [0x50, 0x30], [0x62, 1]]) {
    assert.throws(
      () => bus.insert(base, size, answers(0)),
      (error: unknown) =>
        error instanceof BusRangeError &&
        error.message.includes(`[0x${base.toString(16)}, 0x${(base + size).toString(16)})`) &&
        error.message.includes("[0x60, 0x65)"),
    );
  }
  bus.insert(0x65, 0x70 - 0x65, answers(7));
  assert.equal(bus.read(0x65, 1), 7, "a range may touch its neighbours on both sides");
});

Deno.test("a range that is empty, negative, fractional or outside the space is refused", () => {
  const bus = new Bus("pio", PIO_SPACE_SIZE);
  for (
    const [base, size] of [[0, 0], [-1, 4], [0, -4], [0.5, 1], [0xffff, 2], [NaN, 1], [0, 2e16]]
  ) {
    assert.throws(() => bus.insert(base, size, answers(0)), BusRangeError, `${base}+${size}`);
  }
  bus.insert(0xffff, 1, answers(9));
  assert.equal(bus.read(0xffff, 1), 9);
  assert.equal(bus.read(0xffff, 2), 0xffff);
});

Deno.test("the lock is held during each call of the device and free afterwards", () => {
  const bus = new Bus();
  const lock = DeviceLock.create();
  const held: boolean[] = [];
  const device: BusDevice = {
    read: () => (held.push(lock.held), 0),
    write: () => void held.push(lock.held),
  };
  bus.insert(0, 8, device, lock);
  const view = new DataView(new ArrayBuffer(8));
  bus.read(0, 4);
  bus.write(0, 4, 0);
  bus.readInto(0, 1, view, 0);
  bus.writeFrom(0, 1, view, 0);
  assert.deepEqual(held, [true, true, true, true]);
  assert.ok(!lock.held);
});

Deno.test("a device that throws does not leave its lock held", () => {
  const bus = new Bus();
  const lock = DeviceLock.create();
  const fails = () => {
    throw new Error("the backend is gone");
  };
  bus.insert(0, 8, { read: fails, write: fails }, lock);
  const view = new DataView(new ArrayBuffer(8));
  assert.throws(() => bus.read(0, 1), /backend is gone/);
  assert.ok(!lock.held);
  assert.throws(() => bus.write(0, 1, 0), /backend is gone/);
  assert.ok(!lock.held);
  assert.throws(() => bus.readInto(0, 8, view, 0), /backend is gone/);
  assert.ok(!lock.held);
  assert.throws(() => bus.writeFrom(0, 8, view, 0), /backend is gone/);
  assert.ok(!lock.held);
});

Deno.test("whatever the layout and the order of insertion, an access finds its device", () => {
  // The oracle is a flat map from each address to the range that owns it.
  const layout = fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 40 })), {
    maxLength: 30,
  });
  const accesses = fc.array(fc.tuple(fc.nat(600), fc.constantFrom(1, 2, 4, 8)), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(fc.property(layout, accesses, (ranges, tries) => {
    const bus = new Bus("test", 1000);
    const owner = new Map<number, number>();
    for (const [id, [base, size]] of ranges.entries()) {
      const addresses = Array.from({ length: size }, (_, i) => base + i);
      const taken = addresses.some((address) => owner.has(address));
      const device: BusDevice = { read: (offset) => id * 1000 + offset, write: () => {} };
      if (taken) assert.throws(() => bus.insert(base, size, device), BusRangeError);
      else {
        bus.insert(base, size, device);
        for (const address of addresses) owner.set(address, id);
      }
    }
    const view = new DataView(new ArrayBuffer(8));
    let unclaimed = 0;
    for (const [address, size] of tries) {
      const id = owner.get(address);
      const whole = Array.from({ length: size }, (_, i) => owner.get(address + i))
        .every((at) => at !== undefined && at === id);
      bus.readInto(address, size, view, 0);
      if (whole && id !== undefined) {
        if (size >= 2) {
          const expected = id * 1000 + (address - ranges[id][0]);
          const seen = size === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
          assert.equal(seen, size === 2 ? expected & 0xffff : expected);
        }
      } else {
        unclaimed++;
        for (let i = 0; i < size; i++) assert.equal(view.getUint8(i), 0xff);
      }
    }
    assert.equal(bus.unclaimedReads, unclaimed);
  }));
});

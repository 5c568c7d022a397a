import assert from "node:assert/strict";
import fc from "fast-check";
import { CONFIG_SIZE, ConfigLayout, ConfigSpace, Header, placeBar } from "./config_space.ts";

const IDENTITY = {
  vendorId: 0x1af4,
  deviceId: 0x1042,
  revision: 1,
  classCode: 0x01_8005,
  subsystemVendorId: 0x1234,
  subsystemId: 0x5678,
};

function layout(): ConfigLayout {
  const layout = new ConfigLayout(IDENTITY);
  layout.setMemoryBar(0x1_0000);
  layout.setInterruptPin(17);
  layout.addCapability(0x11, new Uint8Array(10).fill(0xaa), new Uint8Array(10).fill(0x0f));
  layout.addCapability(0x09, new Uint8Array(3).fill(0xbb));
  return layout;
}

function space(): ConfigSpace {
  return new ConfigSpace(ConfigSpace.allocate(layout()), layout());
}

Deno.test("the header says who the function is", () => {
  const config = space();
  assert.equal(config.read(Header.vendorId, 4), 0x1042_1af4);
  assert.equal(config.read(Header.revision, 4), 0x0180_0501);
  assert.equal(config.read(Header.subsystemVendorId, 4), 0x5678_1234);
  assert.equal(config.read(Header.interruptLine, 2), 0x01_11);
  assert.equal(config.read(0x0e, 1), 0, "a header of type 0, one function");
});

Deno.test("the capabilities are a list that the status register announces", () => {
  const config = space();
  assert.equal(config.read(Header.status, 2), 1 << 4);
  const found: [at: number, id: number][] = [];
  for (let at = config.read(Header.capabilities, 1); at !== 0; at = config.read(at + 1, 1)) {
    found.push([at, config.read(at, 1)]);
  }
  assert.deepEqual(found, [[0x40, 0x11], [0x4c, 0x09]]);
});

Deno.test("a BAR tells its size by the bits that stay 0", () => {
  const config = space();
  assert.equal(config.read(Header.bar0, 4), 0, "32 bits, not prefetchable");
  config.write(Header.bar0, 4, 0xffff_ffff);
  assert.equal(config.read(Header.bar0, 4), 0xffff_0000);
  config.write(Header.bar0 + 4, 4, 0xffff_ffff);
  assert.equal(config.read(Header.bar0 + 4, 4), 0, "there is one BAR");
  config.write(0x30, 4, 0xffff_ffff);
  assert.equal(config.read(0x30, 4), 0, "and no expansion ROM");
});

Deno.test("a BAR is placed as firmware does it", () => {
  const memory = ConfigSpace.allocate(layout());
  placeBar(memory, 0xc001_0000);
  assert.equal(new ConfigSpace(memory, layout()).bar, 0xc001_0000);
});

Deno.test("each access changes the writable bits of its own bytes only", () => {
  const { initial, writable } = layout();
  const size = fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>;
  const offset = fc.integer({ min: 0, max: 0xfff });
  const value = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(fc.property(offset, size, value, (offset, size, value) => {
    const config = space();
    config.write(offset, size, value);
    const inside = offset + size <= CONFIG_SIZE;
    const expected = Array.from(initial, (byte, at) => {
      const isWritten = inside && at >= offset && at < offset + size;
      if (!isWritten) return byte;
      return (byte & ~writable[at]) | ((value >>> (8 * (at - offset))) & writable[at]);
    });
    assert.deepEqual(config.save(), expected);
    assert.equal(config.mismatch(Uint8Array.from(expected)), -1);
    if (!inside) assert.equal(config.read(offset, size), 0xffff_ffff);
  }));
});

Deno.test("another function's saved bytes are found out", () => {
  const saved = Uint8Array.from(space().save());
  saved[Header.deviceId] ^= 1;
  assert.equal(space().mismatch(saved), Header.deviceId);
});

Deno.test("a capability that does not fit is refused", () => {
  const layout = new ConfigLayout(IDENTITY);
  layout.addCapability(9, new Uint8Array(180));
  assert.throws(() => layout.addCapability(9, new Uint8Array(9)), RangeError);
});

import assert from "node:assert/strict";
import { type DeviceState, DeviceStateError, StateLayout, StateReader } from "./state.ts";

const LAYOUT = new StateLayout({
  registers: { control: 0xff, count: 0xffff_ffff },
  numbers: { offset: 1e15 },
  bytes: { fifo: 4, nvram: 3 },
});

function filled(): SharedArrayBuffer {
  const state = LAYOUT.allocate();
  const { words, numbers, bytes } = LAYOUT.views(state);
  words[LAYOUT.word.control] = 0x81;
  words[LAYOUT.word.count] = 0xffff_fffe;
  numbers[LAYOUT.number.offset] = -123456789012345;
  bytes.fifo.set([1, 2, 3, 4]);
  bytes.nvram.set([5, 6, 255]);
  return state;
}

function restore(saved: DeviceState): SharedArrayBuffer {
  const state = LAYOUT.allocate();
  LAYOUT.restore(state, new StateReader("test", 1, saved));
  return state;
}

Deno.test("state is saved by name and comes back through JSON as it was", () => {
  const saved = LAYOUT.save(filled(), 1);
  assert.deepEqual(saved, {
    version: 1,
    control: 0x81,
    count: 0xffff_fffe,
    offset: -123456789012345,
    fifo: [1, 2, 3, 4],
    nvram: [5, 6, 255],
  });
  const restored = restore(JSON.parse(JSON.stringify(saved)));
  assert.deepEqual(new Uint8Array(restored), new Uint8Array(filled()));
});

Deno.test("the fields of two isolates' views are the same memory, and no two fields overlap", () => {
  const state = LAYOUT.allocate();
  const one = LAYOUT.views(state);
  const two = LAYOUT.views(state);
  one.lock.acquire();
  assert.ok(two.lock.held);
  one.words.fill(0xffff_ffff, 1);
  assert.equal(two.numbers[0], 0);
  assert.deepEqual(Array.from(two.bytes.fifo), [0, 0, 0, 0]);
  one.bytes.fifo.fill(7);
  assert.deepEqual(Array.from(two.bytes.nvram), [0, 0, 0]);
  assert.deepEqual(Array.from(two.bytes.fifo), [7, 7, 7, 7]);
});

Deno.test("the lock is not part of what is saved", () => {
  const state = filled();
  const { lock } = LAYOUT.views(state);
  lock.acquire();
  const restored = restore(LAYOUT.save(state, 1));
  assert.ok(!LAYOUT.views(restored).lock.held);
});

const bad: readonly [string, Record<string, unknown>, RegExp][] = [
  ["of another version", { version: 2 }, /has version 2.* reads version 1/],
  ["with a register above its bound", { control: 256 }, /"control" is 256.* 0 to 255/],
  ["with a negative register", { control: -1 }, /"control" is -1/],
  ["with a register that is no integer", { count: 1.5 }, /"count" is 1.5/],
  ["with a register that is text", { count: "1" }, /"count" is "1"/],
  ["with a number beyond its bound", { offset: 2e15 }, /"offset" is 2000000000000000/],
  ["with too few bytes", { fifo: [1] }, /"fifo" is \[1\].* 4 to 4 bytes/],
  ["with too many bytes", { nvram: [1, 2, 3, 4] }, /"nvram"/],
  ["with a byte that is none", { nvram: [1, 2, 256] }, /"nvram"/],
  ["with bytes that are a number", { nvram: 3 }, /"nvram" is 3/],
  ["without a field", { control: undefined }, /"control" is missing/],
  ["with a field that nobody knows", { more: 1 }, /"more" is unknown/],
];
for (const [what, change, message] of bad) {
  Deno.test(`state ${what} is refused by name, and nothing is changed`, () => {
    const saved = { ...LAYOUT.save(filled(), 1), ...change } as DeviceState;
    const state = LAYOUT.allocate();
    assert.throws(
      () => LAYOUT.restore(state, new StateReader("test", 1, saved)),
      (error: unknown) =>
        error instanceof DeviceStateError && error.kind === "test" && message.test(error.message) &&
        error.message.startsWith('the saved state of device "test"'),
    );
    assert.deepEqual(new Uint8Array(state), new Uint8Array(LAYOUT.allocate()));
  });
}

Deno.test("a device takes fields of its own before the layout takes the rest", () => {
  const saved = { ...LAYOUT.save(filled(), 1), input: [10, 13] };
  const reader = new StateReader("test", 1, saved);
  assert.deepEqual(Array.from(reader.bytes("input", 0, 4)), [10, 13]);
  LAYOUT.restore(LAYOUT.allocate(), reader);
});

Deno.test("numbers in an array are taken in their count and bounds, or refused by name", () => {
  const saved = { version: 1, sizes: [1, 256] };
  const read = (count: number, high: number) =>
    new StateReader("test", 1, saved).integers("sizes", count, 1, high);
  assert.deepEqual(read(2, 256), [1, 256]);
  assert.throws(
    () => read(3, 256),
    /"sizes" is \[1,256\], not an array of 3 integers from 1 to 256/,
  );
  assert.throws(() => read(2, 255), DeviceStateError);
});

Deno.test("fields that an object merely inherits are missing", () => {
  const reader = new StateReader("test", 1, { version: 1 });
  assert.throws(() => reader.integer("constructor", 0, 1), /"constructor" is missing/);
});

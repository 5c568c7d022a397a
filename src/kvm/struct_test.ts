import assert from "node:assert/strict";
import fc from "fast-check";
import {
  array,
  bytes,
  flex,
  i16,
  i32,
  i64,
  i8,
  pad,
  ptr,
  struct,
  StructError,
  u16,
  u32,
  u64,
  u8,
  union,
  type ValueOf,
} from "./struct.ts";

const Inner = struct("inner", { a: u8, b: u32 });
const Mixed = struct("mixed", {
  tag: u8,
  small: i16,
  inner: array(Inner, 2),
  hole: pad(3),
  big: u64,
  address: ptr,
  raw: bytes(5),
  last: i8,
});

Deno.test("offsets, alignment and size follow the psABI", () => {
  assert.deepEqual(Inner.offsets, { a: 0, b: 4 });
  assert.equal(Inner.size, 8);
  assert.deepEqual(Mixed.offsets, {
    tag: 0,
    small: 2,
    inner: 4,
    hole: 20,
    big: 24,
    address: 32,
    raw: 40,
    last: 45,
  });
  assert.equal(Mixed.size, 48);
  assert.equal(Mixed.align, 8);
  assert.equal(struct("empty", {}).size, 0);
});

Deno.test("a union is as large as its largest alternative, rounded up to its alignment", () => {
  const u = union({ word: u32, long: bytes(9) });
  assert.equal(u.size, 12);
  assert.equal(u.align, 4);
  assert.equal(union({ word: u32 }, 256).size, 256);
});

Deno.test("what is encoded is little-endian, at its offset, and zero where nothing was given", () => {
  const encoded = Mixed.encode({ small: -2, inner: [{ b: 0x01020304 }], last: -1 });
  const expected = new Uint8Array(48);
  expected.set([0xfe, 0xff], 2);
  expected.set([4, 3, 2, 1], 8);
  expected[45] = 0xff;
  assert.deepEqual(encoded, expected);
});

Deno.test("encoding over old bytes leaves nothing of them, and nothing outside is touched", () => {
  const target = new Uint8Array(20).fill(0xaa);
  Inner.encodeInto(target, { a: 1 }, 4);
  const expected = new Uint8Array(20).fill(0xaa);
  expected.set([1, 0, 0, 0, 0, 0, 0, 0], 4);
  assert.deepEqual(target, expected);
});

Deno.test("decoding leaves padding out and copies bytes", () => {
  const source = Mixed.encode({ raw: new Uint8Array([1, 2]) }).fill(0x77, 20, 23);
  const value: ValueOf<typeof Mixed> = Mixed.decode(source);
  assert(!("hole" in value));
  source.fill(0xff);
  assert.deepEqual(value.raw, new Uint8Array([1, 2, 0, 0, 0]));
});

Deno.test("structs decode out of shared memory and at an offset", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(24), 8);
  Inner.encodeInto(shared, { a: 3, b: 4 }, 8);
  assert.deepEqual(Inner.decode(shared, 8), { a: 3, b: 4 });
});

Deno.test("a value that does not fit is refused with the path of its field", () => {
  const refuse = (body: () => void, message: RegExp) =>
    assert.throws(body, (error: unknown) => {
      assert(error instanceof StructError);
      assert.match(error.message, message);
      return true;
    });
  refuse(() => Mixed.encode({ tag: 256 }), /^mixed\.tag: 256 is not an integer from 0 to 255$/);
  refuse(() => Mixed.encode({ tag: 0.5 }), /^mixed\.tag: 0\.5 is not/);
  refuse(() => Mixed.encode({ small: -32769 }), /from -32768 to 32767/);
  refuse(() => Mixed.encode({ inner: [{}, { b: -1 }] }), /^mixed\.inner\[1\]\.b: -1/);
  refuse(() => Mixed.encode({ inner: [{}, {}, {}] }), /^mixed\.inner: .* at most 2 elements$/);
  refuse(() => Mixed.encode({ big: 1n << 64n }), /^mixed\.big: 18446744073709551616 is not/);
  refuse(() => Mixed.encode({ big: -1n }), /unsigned 64 bits$/);
  refuse(() => struct("s", { x: i64 }).encode({ x: 1n << 63n }), /signed 64 bits$/);
  refuse(() => Mixed.encode({ raw: new Uint8Array(6) }), /at most 5 bytes$/);
  const unknown: Record<string, number> = { nothing: 1 };
  refuse(() => Mixed.encode(unknown), /^mixed: there is no field "nothing"$/);
  const padding: Record<string, number> = { hole: 1 };
  refuse(() => Mixed.encode(padding), /there is no field "hole"/);
  refuse(
    () => Inner.decode(new Uint8Array(7)),
    /^inner: needs 8 bytes at 0, but there are 7 in all$/,
  );
  refuse(() => Inner.decode(new Uint8Array(16), 9), /needs 8 bytes at 9/);
  refuse(() => Inner.encodeInto(new Uint8Array(4), {}), /needs 8 bytes/);
});

const Choice = struct("choice", {
  type: u32,
  u: union({ pin: struct("pin", { chip: u8, line: u32 }), message: u64, small: u8 }, 16),
});

Deno.test("a union is written as one alternative and read as each of them", () => {
  const value = Choice.decode(Choice.encode({ u: { pin: { chip: 2, line: 9 } } }));
  assert.deepEqual(value.u, { pin: { chip: 2, line: 9 }, message: 0x9_0000_0002n, small: 2 });
});

Deno.test("a decoded union survives cloning and encodes to the same bytes, even where padding had bits", () => {
  const bytes = Choice.encode({ u: { message: 0x0000_0009_ffff_ff02n } });
  const value = structuredClone(Choice.decode(bytes));
  assert.deepEqual(Choice.encode(value), bytes);
});

Deno.test("alternatives that contradict each other are refused", () => {
  const value = Choice.decode(Choice.encode({ u: { message: 1n } }));
  assert.throws(
    () => Choice.encode({ ...value, u: { ...value.u, pin: { chip: 7, line: 0 } } }),
    /^StructError: choice\.u: pin, message, small contradict each other at byte 0; give one of them$/,
  );
  const unknown: Record<string, number> = { other: 1 };
  assert.throws(() => Choice.encode({ u: unknown }), /choice\.u: there is no alternative "other"/);
});

const List = flex(struct("list", { n: u32, flags: u32 }), "n", "entries", Inner);

Deno.test("a flexible array counts its entries in the header", () => {
  assert.equal(List.size, 8);
  assert.equal(List.bytesFor(3), 32);
  const encoded = List.encode({ flags: 5, entries: [{ a: 1 }, { b: 2 }] });
  assert.equal(encoded.length, 24);
  assert.equal(new DataView(encoded.buffer).getUint32(0, true), 2);
  assert.deepEqual(List.decode(encoded), {
    flags: 5,
    entries: [{ a: 1, b: 0 }, { a: 0, b: 2 }],
  });
  assert.equal(List.countOf(List.allocate(7)), 7);
  assert.equal(List.allocate(7).length, List.bytesFor(7));
});

Deno.test("a flexible array's count of 64 bits and entries of single bytes are laid out as in C", () => {
  const Regs = flex(struct("regs", { n: u64 }), "n", "reg", u64);
  assert.deepEqual(Regs.decode(Regs.encode({ reg: [1n, 2n] })), { reg: [1n, 2n] });
  const Mask = flex(struct("mask", { len: u32 }), "len", "sigset", u8);
  assert.equal(Mask.size, 4);
  assert.equal(Mask.encode({ sigset: [1, 2, 3] }).length, 7);
});

Deno.test("a flexible array that counts more entries than there are bytes is refused", () => {
  const bytes = List.allocate(2);
  new DataView(bytes.buffer).setUint32(0, 3, true);
  assert.throws(() => List.decode(bytes), StructError);
  const withCount: { entries: [] } & Record<string, unknown> = { entries: [], n: 3 };
  assert.throws(() => List.encode(withCount), /list\.n: is the number of entries/);
});

Deno.test("any value that fits comes back as it went in", () => {
  const integer = (min: number, max: number) => fc.integer({ min, max });
  const long = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const plain = { noNullPrototype: true };
  const inner = fc.record({ a: integer(0, 255), b: integer(0, 0xffff_ffff) }, plain);
  const mixed = fc.record({
    tag: integer(0, 255),
    small: integer(-32768, 32767),
    inner: fc.array(inner, { minLength: 2, maxLength: 2 }),
    big: long,
    address: long,
    raw: fc.uint8Array({ minLength: 5, maxLength: 5 }).map((raw) => new Uint8Array(raw)),
    last: integer(-128, 127),
  }, plain);
  fc.assert(fc.property(mixed, (value) => {
    assert.deepEqual(Mixed.decode(Mixed.encode(value)), value);
  }));
  const Signed = struct("signed", { a: i32, b: i64, c: u16 });
  const signed = fc.record({
    a: integer(-(2 ** 31), 2 ** 31 - 1),
    b: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    c: integer(0, 0xffff),
  }, plain);
  fc.assert(fc.property(signed, (value) => {
    assert.deepEqual(Signed.decode(Signed.encode(value)), value);
  }));
});

Deno.test("any bytes decode to a value that encodes to the same bytes, but for padding", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (random) => {
    const covered = new Uint8Array(48);
    Mixed.cover(covered, 0);
    const expected = random.map((byte, i) => byte * covered[i]);
    assert.deepEqual(Mixed.encode(Mixed.decode(random)), new Uint8Array(expected));
  }));
});

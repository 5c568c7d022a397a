import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, little } from "../bytes.ts";
import {
  buffer,
  device,
  eisaId,
  integer,
  method,
  name,
  nameString,
  packageLength,
  pkg,
  returnValue,
  scope,
  string,
} from "./aml.ts";
import * as resources from "./resources.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

Deno.test("names are padded to four characters and prefixed by their number of segments", () => {
  assert.deepEqual(nameString("_S5"), concat(new TextEncoder().encode("_S5_")));
  assert.deepEqual(nameString("\\_SB"), new TextEncoder().encode("\\_SB_"));
  assert.deepEqual(nameString("_SB.PCI0"), new TextEncoder().encode("._SB_PCI0"));
  assert.deepEqual(nameString("^^A.B.C"), new TextEncoder().encode("^^/\x03A___B___C___"));
  for (const bad of ["", "abcd", "TOOLONG", "1ABC", "A..B"]) {
    assert.throws(() => nameString(bad), /is no name segment/);
  }
});

Deno.test("integers take their shortest form", () => {
  assert.deepEqual(integer(0), bytes(0));
  assert.deepEqual(integer(1), bytes(1));
  assert.deepEqual(integer(0xff), bytes(0x0a, 0xff));
  assert.deepEqual(integer(0x100), bytes(0x0b, 0, 1));
  assert.deepEqual(integer(0x1_0000), bytes(0x0c, 0, 0, 1, 0));
  assert.deepEqual(integer(2n ** 63n), bytes(0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80));
  assert.throws(() => integer(2n ** 64n), /does not fit/);
  assert.throws(() => little(-1, 4), /does not fit/);
});

/** Decodes PkgLength as an interpreter does. */
function decodeLength(encoded: Uint8Array): number {
  const following = encoded[0] >> 6;
  assert.equal(encoded.length, following + 1);
  if (following === 0) return encoded[0] & 0x3f;
  let length = encoded[0] & 0xf;
  for (let i = 0; i < following; i++) length += encoded[1 + i] << (4 + 8 * i);
  return length;
}

Deno.test("a package's length counts itself, in as few bytes as hold it", () => {
  assert.deepEqual(packageLength(62), bytes(63));
  assert.deepEqual(packageLength(63), bytes(0x41, 4));
  const size = fc.integer({ min: 0, max: 2 ** 28 - 5 });
  fc.assert(fc.property(size, (content) => {
    const encoded = packageLength(content);
    assert.equal(decodeLength(encoded), content + encoded.length);
  }));
  assert.throws(() => packageLength(2 ** 28), /too long/);
});

Deno.test("EISA ids are compressed as the EISAID macro does", () => {
  assert.deepEqual(eisaId("PNP0501"), bytes(0x0c, 0x41, 0xd0, 0x05, 0x01));
  assert.deepEqual(eisaId("PNP0A03"), bytes(0x0c, 0x41, 0xd0, 0x0a, 0x03));
  assert.throws(() => eisaId("ACPI0007"), /is no EISA id/);
});

Deno.test("terms nest", () => {
  const expected = concat(
    0x10,
    0x19,
    new TextEncoder().encode("_SB_"),
    bytes(0x5b, 0x82, 0x12),
    new TextEncoder().encode("RTC0"),
    0x14,
    0x0b,
    new TextEncoder().encode("_STA"),
    bytes(8, 0xa4, 0x12, 3, 1, 0),
  );
  const status = method("_STA", 0, returnValue(pkg(integer(0))));
  expected[1] = expected.length - 1;
  expected[8] = expected.length - 8;
  expected[14] = expected.length - 14;
  assert.deepEqual(scope("_SB", device("RTC0", status)), expected);
  assert.deepEqual(name("A", string("x")), bytes(8, 0x41, 0x5f, 0x5f, 0x5f, 0x0d, 0x78, 0));
  assert.deepEqual(buffer(bytes(7, 8)), bytes(0x11, 5, 0x0a, 2, 7, 8));
  assert.throws(() => string("ä"), /not ASCII/);
  assert.throws(() => method("M", 8), /8 arguments/);
});

Deno.test("small descriptors refuse what they can't say", () => {
  assert.deepEqual(resources.irqNoFlags(8), bytes(0x22, 0, 1));
  assert.throws(() => resources.irqNoFlags(16), /no ISA interrupt/);
  assert.throws(() => resources.ioPorts(0x3f8, 256), /does not fit/);
  assert.throws(() => resources.memory32Fixed(2 ** 32, 4096), /does not fit/);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { sha256 } from "./sha256.ts";

const oracle = (text: string) => createHash("sha256").update(text).digest("hex");

Deno.test("the digest is that of the standard's example", () => {
  const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(sha256("abc").toHex(), expected);
});

Deno.test("texts of all lengths around a block's end have the digest that Node gives them", () => {
  for (let length = 0; length < 200; length++) {
    const text = "0123456789".repeat(20).slice(0, length);
    assert.equal(sha256(text).toHex(), oracle(text), `${length} characters`);
  }
});

Deno.test("any text has the digest that Node gives it", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
    assert.equal(sha256(text).toHex(), oracle(text));
  }));
});

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { EndFinder } from "./streams.ts";

/** Feeds data with the mark behind it in pieces of the given sizes; gives what comes out. */
function feed(mark: string, data: Uint8Array, sizes: number[]): Uint8Array {
  const finder = new EndFinder(mark);
  const all = Buffer.concat([data, Buffer.from(mark)]);
  const out: Uint8Array[] = [];
  for (let at = 0, i = 0; at < all.byteLength; i++) {
    assert.equal(finder.found, false, "not found before its last byte");
    const end = Math.min(all.byteLength, at + sizes[i % sizes.length]);
    out.push(...finder.push(new Uint8Array(all.subarray(at, end))));
    at = end;
  }
  assert.equal(finder.found, true);
  return new Uint8Array(Buffer.concat(out));
}

Deno.test("all before the mark comes out unchanged, however it is cut", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), sizes, (data, cuts) => {
    assert.deepEqual(feed("0123456789abcdef", data, cuts), new Uint8Array(data));
  }));
});

Deno.test("data that looks like the beginning of the mark is not lost", () => {
  const mark = "0123456789abcdef";
  for (const text of ["0", "012345678", "0101010123", `${mark.slice(0, 15)}X`, "0".repeat(40)]) {
    const data = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 7, 100]) assert.deepEqual(feed(mark, data, [size]), data);
  }
});

Deno.test("data comes out at once when it cannot be the mark", () => {
  const finder = new EndFinder("mark");
  assert.equal(
    Buffer.concat(finder.push(new TextEncoder().encode("prompt> "))).toString(),
    "prompt> ",
  );
});

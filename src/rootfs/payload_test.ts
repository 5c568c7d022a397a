import assert from "node:assert/strict";
import fc from "fast-check";
import { RootfsError } from "./errors.ts";
import { bzImagePayload } from "./payload.ts";

const MAGICS: [string, number[]][] = [
  ["gzip", [0x1f, 0x8b, 8]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** A bzImage that is a header, two setup sectors, some code and the payload. */
function bzImage(payload: number[]): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(3 * 512 + 32 + payload.length + 16);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 2);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint32(0x248, 32, true);
  view.setUint32(0x24c, payload.length, true);
  image.set(payload, 3 * 512 + 32);
  return image;
}

for (const [name, magic] of MAGICS) {
  Deno.test(`a payload packed with ${name} is found, with its unpacked size`, () => {
    const payload = bzImagePayload(bzImage([...magic, 1, 2, 3, 4, 0x78, 0x56, 0x34, 0x12]));
    assert.equal(payload.decompressor.command[0], name);
    assert.equal(payload.unpackedSize, 0x12345678);
    const appended = name === "gzip" ? [0x78, 0x56, 0x34, 0x12] : [];
    assert.deepEqual([...payload.data], [...magic, 1, 2, 3, 4, ...appended]);
  });
}

Deno.test("what is not a bzImage, or a piece of one, is refused", () => {
  const whole = bzImage([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
  const refuse = (image: Uint8Array<ArrayBuffer>, message: RegExp) =>
    assert.throws(() => bzImagePayload(image), (error) => {
      assert.ok(error instanceof RootfsError);
      assert.match(error.message, message);
      return true;
    });
  refuse(new Uint8Array(0), /not a bzImage/);
  refuse(new TextEncoder().encode("#!/bin/sh\n".repeat(100)), /not a bzImage/);
  refuse(whole.slice(0, 3 * 512 + 36), /cut off/);
  refuse(bzImage([1, 2, 3, 4, 5, 6]), /compression that is not known here: 010203040506/);
  const old = whole.slice();
  old[0x206] = 7;
  refuse(old, /protocol 0x207/);
});

Deno.test("a header with any values gives a payload inside the file or a typed error", () => {
  const whole = bzImage([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
  fc.assert(fc.property(
    fc.nat(0xff),
    fc.nat(0xffff_ffff),
    fc.nat(0xffff_ffff),
    (sects, offset, length) => {
      const image = whole.slice();
      const view = new DataView(image.buffer);
      view.setUint8(0x1f1, sects);
      view.setUint32(0x248, offset, true);
      view.setUint32(0x24c, length, true);
      try {
        assert.ok(bzImagePayload(image).data.byteLength <= image.byteLength);
      } catch (error) {
        assert.ok(error instanceof RootfsError);
      }
    },
  ));
});

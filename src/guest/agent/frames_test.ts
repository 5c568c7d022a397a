import assert from "node:assert/strict";
import fc from "fast-check";
import { type Frame, FrameDecoder } from "./frames.ts";
import {
  decodeFields,
  encodeFields,
  type Field,
  frame,
  HEADER_BYTES,
  MAX_PAYLOAD,
  ProtocolError,
} from "./protocol.ts";

/** Gives a decoder bytes, cut as the numbers say, and takes all frames that come out. */
function decode(bytes: Uint8Array, cuts: readonly number[]): { frames: Frame[]; partial: boolean } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (let at = 0, cut = 0; at < bytes.length; cut++) {
    const room = decoder.room();
    const count = Math.min(cuts[cut % cuts.length], room.length, bytes.length - at);
    room.set(bytes.subarray(at, at + count));
    decoder.filled(count);
    at += count;
    for (let found = decoder.next(); found !== undefined; found = decoder.next()) {
      frames.push(found);
    }
  }
  return { frames, partial: decoder.partial };
}

const frames = fc.array(
  fc.record({ type: fc.integer({ min: 0, max: 255 }), payload: fc.uint8Array({ maxLength: 300 }) }),
);
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 });

Deno.test("frames come out as they went in, however their bytes are cut", () => {
  fc.assert(fc.property(frames, cuts, (sent, cuts) => {
    const bytes = new Uint8Array(
      sent.flatMap(({ type, payload }) => [...frame(type, payload)]),
    );
    const { frames, partial } = decode(bytes, cuts);
    assert.equal(partial, false);
    assert.deepEqual(
      frames.map(({ type, payload }) => [type, payload.toHex()]),
      sent.map(({ type, payload }) => [type, payload.toHex()]),
    );
  }));
});

Deno.test("a frame that was taken keeps its bytes when more come", () => {
  const decoder = new FrameDecoder();
  const put = (bytes: Uint8Array) => {
    decoder.room().set(bytes);
    decoder.filled(bytes.length);
  };
  put(frame(1, Uint8Array.of(1, 2, 3)));
  const first = decoder.next()!;
  put(frame(2, Uint8Array.of(4, 5, 6)));
  assert.deepEqual([...first.payload], [1, 2, 3]);
});

Deno.test("the longest frame is taken, and a longer one is an error before it's read", () => {
  const longest = frame(7, new Uint8Array(MAX_PAYLOAD));
  assert.equal(decode(longest, [5000]).frames[0].payload.length, MAX_PAYLOAD);
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, MAX_PAYLOAD + 1, true);
  assert.throws(() => decode(header, [3]), ProtocolError);
});

Deno.test("any bytes are frames or an error, and never more than they were", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), cuts, (bytes, cuts) => {
    try {
      const { frames } = decode(bytes, cuts);
      const size = frames.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0);
      assert(size <= bytes.length);
    } catch (error) {
      assert(error instanceof ProtocolError);
    }
  }));
});

const letters = fc.constantFrom(..."aecdutplmnr");
const values = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
const fields = fc.array(fc.tuple(letters, values));

Deno.test("of fields each letter's first value comes out as it went in", () => {
  fc.assert(fc.property(fields, (sent: Field[]) => {
    const read = decodeFields(encodeFields(sent));
    for (const letter of "aecdutplmnr") {
      assert.equal(read.get(letter), sent.find(([name]) => name === letter)?.[1]);
    }
  }));
});

Deno.test("any bytes are fields or an error", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    try {
      decodeFields(bytes);
    } catch (error) {
      assert(error instanceof ProtocolError);
    }
  }));
  assert.throws(() => decodeFields(Uint8Array.of(0x61)), ProtocolError);
  assert.throws(() => decodeFields(Uint8Array.of(0)), ProtocolError);
  assert.throws(() => decodeFields(Uint8Array.of(0x61, 0xff, 0)), ProtocolError);
});

Deno.test("a number among fields is one, in its bounds, or an error", () => {
  const read = decodeFields(encodeFields([["a", "12"], ["b", "-1"], ["c", "1e3"], ["d", ""]]));
  assert.equal(read.number("a"), 12);
  assert.equal(read.number("a", 8), 10);
  assert.throws(() => read.number("a", 10, 11), ProtocolError);
  for (const letter of "bcdx") assert.throws(() => read.number(letter), ProtocolError);
  assert.throws(() => encodeFields([["a", "b\0c"]]), TypeError);
});

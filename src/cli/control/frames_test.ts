import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameReader, FrameWriter, PAYLOAD_LIMIT, ProtocolError } from "./frames.ts";

/** A source that hands bytes out in the pieces that they are given in. */
function source(...pieces: Uint8Array[]) {
  const rest = pieces.filter(({ length }) => length > 0);
  return {
    read: (into: Uint8Array) => {
      const piece = rest.shift();
      if (piece === undefined) return Promise.resolve(null);
      const taken = piece.subarray(0, into.length);
      if (taken.length < piece.length) rest.unshift(piece.subarray(taken.length));
      into.set(taken);
      return Promise.resolve(taken.length);
    },
  };
}

/** A sink that takes at most so many bytes at once, each time a little later. */
function sink(most: number) {
  const bytes: number[] = [];
  return {
    bytes,
    write: async (piece: Uint8Array) => {
      await Promise.resolve();
      const taken = piece.subarray(0, most);
      bytes.push(...taken);
      return taken.length;
    },
  };
}

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    .sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const text = new TextEncoder();

Deno.test("lines and frames come out as they went in, however they are split and written", async () => {
  const frames = fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 200 })), {
    maxLength: 8,
  });
  const line = fc.string({ unit: "binary" });
  await fc.assert(
    fc.asyncProperty(
      line,
      frames,
      fc.array(fc.nat()),
      fc.integer({ min: 1, max: 50 }),
      async (line, frames, cuts, most) => {
        const written = sink(most);
        const writer = new FrameWriter(written);
        // Nobody waits for one before the next.
        await Promise.all([
          writer.line(line),
          ...frames.map(([type, payload]) => writer.frame(type, payload)),
        ]);
        const reader = new FrameReader(source(...cut(Uint8Array.from(written.bytes), cuts)));
        assert.equal(
          JSON.parse(await reader.line(1 << 20) ?? ""),
          JSON.parse(JSON.stringify(line)),
        );
        for (const [type, payload] of frames) {
          assert.deepEqual(await reader.frame(), { type, payload: Uint8Array.from(payload) });
        }
        assert.equal(await reader.frame(), undefined);
      },
    ),
  );
});

Deno.test("bytes of any kind are frames, or an error of the protocol, and never more than came", async () => {
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.nat()),
    async (bytes, cuts) => {
      const reader = new FrameReader(source(...cut(bytes, cuts)));
      let taken = 0;
      try {
        for (;;) {
          const frame = await reader.frame();
          if (frame === undefined) break;
          taken += 5 + frame.payload.length;
        }
        assert.equal(taken, bytes.length);
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        assert(taken < bytes.length);
      }
    },
  ));
});

Deno.test("a payload longer than a frame may have is several frames", async () => {
  const written = sink(1 << 20);
  const payload = new Uint8Array(2 * PAYLOAD_LIMIT + 1).map((_, i) => i);
  await new FrameWriter(written).frame(7, payload);
  const reader = new FrameReader(source(Uint8Array.from(written.bytes)));
  const pieces = [];
  for (let frame; (frame = await reader.frame()) !== undefined;) pieces.push(frame);
  assert.deepEqual(pieces.map(({ type, payload }) => [type, payload.length]), [
    [7, PAYLOAD_LIMIT],
    [7, PAYLOAD_LIMIT],
    [7, 1],
  ]);
  assert.deepEqual(Uint8Array.from(pieces.flatMap(({ payload }) => [...payload])), payload);
  assert.throws(() => encodeFrame(7, payload), RangeError);
});

Deno.test("an empty frame is a frame", async () => {
  const reader = new FrameReader(source(encodeFrame(1, new Uint8Array(0))));
  assert.deepEqual(await reader.frame(), { type: 1, payload: new Uint8Array(0) });
});

Deno.test("a line is refused when it is too long, is cut off, or is not UTF-8", async () => {
  const read = (bytes: Uint8Array, limit: number) => new FrameReader(source(bytes)).line(limit);
  assert.equal(await read(text.encode("1234\nrest"), 4), "1234");
  await assert.rejects(read(text.encode("12345\n"), 4), /longer than 4 bytes/);
  // It does not wait for the end of a line that has none.
  await assert.rejects(read(new Uint8Array(1 << 20).fill(0x20), 4), /longer than 4 bytes/);
  await assert.rejects(read(text.encode("123"), 4), /ended within a line/);
  await assert.rejects(read(Uint8Array.of(0xff, 0x0a), 4), /not UTF-8/);
  assert.equal(await read(new Uint8Array(0), 4), undefined);
});

Deno.test("a frame's length is refused before there's room made for it", async () => {
  const claim = Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff);
  await assert.rejects(new FrameReader(source(claim)).frame(), /claims to have 4294967295 bytes/);
});

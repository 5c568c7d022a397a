import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteRing } from "./byte_ring.ts";

const MIB = 1 << 20;

function random(length: number): Uint8Array<SharedArrayBuffer> {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  const chunk = new Uint8Array(65536);
  for (let at = 0; at < length; at += chunk.length) {
    crypto.getRandomValues(chunk);
    bytes.set(chunk.subarray(0, Math.min(chunk.length, length - at)), at);
  }
  return bytes;
}

/** Runs one end of the ring in a Worker; resolves to how many bytes it moved. */
function worker(
  role: "write" | "read",
  memory: SharedArrayBuffer,
  bytes: Uint8Array<SharedArrayBuffer>,
  control = new Int32Array(new SharedArrayBuffer(4)),
): Promise<number> {
  const url = new URL("./byte_ring_test_worker.ts", import.meta.url);
  const started = new Worker(url, { type: "module" });
  return new Promise<number>((resolve, reject) => {
    started.onmessage = (event) => resolve(event.data);
    started.onerror = (event) => reject(new Error(event.message));
    started.postMessage({ role, memory, bytes, control });
  }).finally(() => started.terminate());
}

Deno.test("a MiB of random bytes from a blocking Worker arrives whole and in order", async () => {
  const memory = ByteRing.allocate(4096);
  const ring = new ByteRing(memory);
  const sent = random(MIB);
  const writer = worker("write", memory, sent);
  const received = new Uint8Array(MIB);
  let at = 0;
  while (at < MIB) {
    assert.ok(await ring.waitForData());
    at += ring.readInto(received.subarray(at, at + 1000));
  }
  assert.equal(await writer, MIB);
  assert.deepEqual(received, new Uint8Array(sent));
  assert.equal(ring.available, 0);
});

Deno.test("a MiB of random bytes to a Worker arrives whole and in order", async () => {
  const memory = ByteRing.allocate(1024);
  const ring = new ByteRing(memory);
  const received = new Uint8Array(new SharedArrayBuffer(MIB));
  const reader = worker("read", memory, received);
  const sent = random(MIB);
  for (let at = 0; at < MIB;) {
    at += ring.writeBytes(sent.subarray(at));
    assert.ok(await ring.drained());
  }
  assert.equal(await reader, MIB);
  assert.deepEqual(new Uint8Array(received), new Uint8Array(sent));
});

Deno.test("a ring of one byte between a Worker and the main isolate loses nothing", async () => {
  const memory = ByteRing.allocate(1);
  const ring = new ByteRing(memory);
  const sent = random(2000);
  const writer = worker("write", memory, sent);
  const received: number[] = [];
  while (received.length < sent.length && await ring.waitForData()) {
    for (let byte = ring.read(); byte >= 0; byte = ring.read()) received.push(byte);
  }
  assert.equal(await writer, sent.length);
  assert.deepEqual(received, Array.from(sent));
});

Deno.test("a writer that waits for room gives up when it is wanted elsewhere", async () => {
  const memory = ByteRing.allocate(16);
  const control = new Int32Array(new SharedArrayBuffer(4));
  const writer = worker("write", memory, random(100), control);
  const ring = new ByteRing(memory);
  while (ring.free > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  Atomics.store(control, 0, 1);
  assert.equal(await writer, 16);
  assert.equal(ring.available, 16, "what was written is still there");
});

Deno.test("closing the ring releases a writer that waits for room, and drops what it writes", async () => {
  const memory = ByteRing.allocate(16);
  const writer = worker("write", memory, random(5000));
  const ring = new ByteRing(memory);
  while (ring.free > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  ring.close();
  assert.equal(await writer, 5000);
  assert.equal(ring.available, 16);
});

Deno.test("a closed ring can be read empty, and then has no data for ever", async () => {
  const ring = new ByteRing(ByteRing.allocate(8));
  ring.writeBytes(Uint8Array.of(1, 2, 3));
  ring.close();
  assert.ok(ring.closed);
  assert.ok(await ring.waitForData());
  assert.deepEqual([ring.read(), ring.read(), ring.read(), ring.read()], [1, 2, 3, -1]);
  assert.equal(await ring.waitForData(), false);
});

Deno.test("an aborted signal ends both waits, before and while they wait", async () => {
  const ring = new ByteRing(ByteRing.allocate(8));
  assert.equal(await ring.waitForData(AbortSignal.abort()), false);
  const abort = new AbortController();
  const data = ring.waitForData(abort.signal);
  ring.write(1);
  assert.equal(await data, true);
  const drained = ring.drained(abort.signal);
  setTimeout(() => abort.abort(), 10);
  assert.equal(await drained, false);
});

Deno.test("drained resolves when the last byte is read, and not before", async () => {
  const ring = new ByteRing(ByteRing.allocate(8));
  ring.writeBytes(Uint8Array.of(1, 2));
  let resolved = false;
  const drained = ring.drained().then((whole) => {
    resolved = true;
    return whole;
  });
  ring.read();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(resolved, false);
  ring.read();
  assert.equal(await drained, true);
});

Deno.test("a writer is woken by the first byte taken from a full ring, and by the last, not between", () => {
  const memory = ByteRing.allocate(4);
  const ring = new ByteRing(memory);
  // Word 4 of the header counts the wake-ups. Without them a writer would still wake, but late.
  const woken = new Int32Array(memory, 16, 1);
  ring.writeBytes(Uint8Array.of(1, 2, 3, 4));
  const counts = [0, 1, 2, 3].map(() => {
    ring.read();
    return woken[0];
  });
  assert.deepEqual(counts, [1, 1, 1, 2]);
});

Deno.test("peeking copies what is there and takes nothing", () => {
  const ring = new ByteRing(ByteRing.allocate(4));
  ring.writeBytes(Uint8Array.of(9, 9, 9));
  ring.readInto(new Uint8Array(3));
  ring.writeBytes(Uint8Array.of(1, 2, 3));
  const seen = new Uint8Array(8);
  assert.equal(ring.peekInto(seen), 3);
  assert.deepEqual(Array.from(seen), [1, 2, 3, 0, 0, 0, 0, 0]);
  assert.equal(ring.available, 3);
});

Deno.test("only a power of two from 1 to 2^30 is a capacity", () => {
  for (const capacity of [0, -1, 3, 1000, 1.5, NaN, 2 ** 31, 2 ** 32]) {
    assert.throws(() => ByteRing.allocate(capacity), RangeError, String(capacity));
  }
  assert.equal(new ByteRing(ByteRing.allocate(1)).capacity, 1);
  assert.equal(new ByteRing(ByteRing.allocate(65536)).capacity, 65536);
});

Deno.test("whatever the sequence of calls, a ring is a bounded queue of bytes", () => {
  // The oracle is an array. The indices start just below the point where 32 bits overflow.
  const call = fc.oneof(
    fc.record({ kind: fc.constant("write" as const), byte: fc.nat(255) }),
    fc.record({
      kind: fc.constant("writeBytes" as const),
      bytes: fc.uint8Array({ maxLength: 20 }),
    }),
    fc.record({ kind: fc.constant("read" as const) }),
    fc.record({ kind: fc.constant("readInto" as const), count: fc.nat(20) }),
  );
  const start = fc.constantFrom(0, -1, -7, 2 ** 31 - 5, -(2 ** 31));
  const capacities = fc.constantFrom(1, 2, 8, 16);
  fc.assert(
    fc.property(capacities, start, fc.array(call, { maxLength: 60 }), (capacity, at, calls) => {
      const memory = ByteRing.allocate(capacity);
      new Int32Array(memory, 0, 2).fill(at);
      const ring = new ByteRing(memory);
      const queue: number[] = [];
      for (const call of calls) {
        if (call.kind === "write") {
          const fits = queue.length < capacity;
          assert.equal(ring.write(call.byte), fits);
          if (fits) queue.push(call.byte);
        } else if (call.kind === "writeBytes") {
          const fits = Math.min(call.bytes.length, capacity - queue.length);
          assert.equal(ring.writeBytes(call.bytes), fits);
          queue.push(...call.bytes.subarray(0, fits));
        } else if (call.kind === "read") {
          assert.equal(ring.read(), queue.shift() ?? -1);
        } else {
          const into = new Uint8Array(call.count);
          const expected = queue.splice(0, call.count);
          assert.equal(ring.readInto(into), expected.length);
          assert.deepEqual(Array.from(into.subarray(0, expected.length)), expected);
        }
        assert.equal(ring.available, queue.length);
        assert.equal(ring.free, capacity - queue.length);
      }
    }),
  );
});

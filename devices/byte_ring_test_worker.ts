/**
 * The Workers of byte_ring_test.ts: one end of a ring each.
 *
 * @module
 */
/// <reference lib="deno.worker" />

import { ByteRing } from "./byte_ring.ts";

/** What the test posts. */
interface Job {
  role: "write" | "read";
  memory: SharedArrayBuffer;
  bytes: Uint8Array<SharedArrayBuffer>;
  /** Word 0 becomes 1 when a writer should give up. */
  control: Int32Array<SharedArrayBuffer>;
}

self.onmessage = async (event: MessageEvent<Job>) => {
  const { role, memory, bytes, control } = event.data;
  const ring = new ByteRing(memory);
  let moved = 0;
  if (role === "write") {
    // As a vCPU does: byte by byte, blocking when the ring is full.
    for (; moved < bytes.length; moved++) {
      if (!ring.write(bytes[moved])) {
        if (!ring.waitForRoom(() => Atomics.load(control, 0) !== 0)) break;
        moved--;
      }
    }
  } else {
    // As a device does: byte by byte, whenever there is one.
    while (moved < bytes.length) {
      const byte = ring.read();
      if (byte >= 0) bytes[moved++] = byte;
      else if (!await ring.waitForData()) break;
    }
  }
  self.postMessage(moved);
  self.close();
};

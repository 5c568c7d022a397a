/**
 * What a virtqueue costs a device: 64 buffers of three pieces, popped, pushed and flushed in batches.
 *
 * The driver's part, which counts too, is as small as can be: its buffers lie ready, and it says so with two
 * stores for each (packed) or one for each batch (split). Divide by 64 for one buffer.
 * @module
 */
import { DescriptorChain, openQueue, type QueueFeatures } from "../devices/virtio/queue/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";

const BUFFERS = 64;
const PIECES = 3;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AREAS = { descriptorArea: 0x1000, driverArea: 0x4000, deviceArea: 0x5000 };
const TABLES = 0x10000;
const DATA = 0x100000;

/** Writes the pieces of one buffer: one to read, two to write. */
function writeDescriptors(memory: GuestMemory, at: number, packed: boolean, next: number) {
  for (let i = 0; i < PIECES; i++) {
    const flags = (i > 0 ? DESC_F_WRITE : 0) | (i + 1 < PIECES ? DESC_F_NEXT : 0);
    memory.writeU32(at + 16 * i, DATA + 0x1000 * i);
    memory.writeU32(at + 16 * i + 8, 0x200);
    memory.writeU16(at + 16 * i + (packed ? 14 : 12), flags);
    memory.writeU16(at + 16 * i + (packed ? 12 : 14), next + i + 1);
  }
}

/** A driver whose every buffer is offered again and again, and its device. */
function queueWithDriver(features: QueueFeatures) {
  const { packed, indirect } = features;
  const memory = GuestMemory.forTest(16 << 20);
  const places = indirect ? 1 : PIECES;
  // A packed ring is as long as it must be; a split one has a power of two.
  const size = packed ? BUFFERS * places : indirect ? BUFFERS : 256;
  for (let i = 0; i < BUFFERS; i++) {
    const first = i * places;
    const at = AREAS.descriptorArea + 16 * first;
    if (indirect) {
      const table = TABLES + 16 * PIECES * i;
      writeDescriptors(memory, table, packed, 0);
      memory.writeU32(at, table);
      memory.writeU32(at + 8, 16 * PIECES);
      memory.writeU16(at + (packed ? 14 : 12), DESC_F_INDIRECT);
    } else {
      writeDescriptors(memory, at, packed, first);
    }
    if (packed) memory.writeU16(at + 16 * (places - 1) + 12, i);
  }
  if (!packed) {
    const heads = AREAS.driverArea + 4;
    for (let i = 0; i < size; i++) memory.writeU16(heads + 2 * i, (i % BUFFERS) * places);
  }
  let interrupts = 0;
  const queue = openQueue(memory, { index: 0, size, ...AREAS }, features, () => interrupts++);
  const halves = new Uint16Array(memory.regions[0].buffer);
  const words = new Uint32Array(memory.regions[0].buffer);
  const firstLength = indirect ? 16 * PIECES : 0x200;
  let offered = 0;
  const offer = packed
    ? (count: number) => {
      for (let i = 0; i < count; i++, offered++) {
        const at = AREAS.descriptorArea + 16 * (offered % BUFFERS) * places;
        const lap = Math.floor(offered / BUFFERS) % 2 === 0 ? 0x80 : 0x8000;
        const flags = indirect ? DESC_F_INDIRECT : DESC_F_NEXT;
        // The device wrote its own length here.
        words[(at + 8) / 4] = firstLength;
        Atomics.store(halves, (at + 14) / 2, flags | lap);
      }
    }
    : (count: number) => {
      offered += count;
      Atomics.store(halves, (AREAS.driverArea + 2) / 2, offered);
    };
  return { queue, offer };
}

for (const packed of [false, true]) {
  for (const indirect of [false, true]) {
    for (const batch of [1, 8, 64]) {
      const { queue, offer } = queueWithDriver({ packed, indirect, eventIdx: true });
      const chains = Array.from({ length: batch }, () => new DescriptorChain(queue.size));
      const layout = packed ? "packed" : "split";
      const name = `${layout}${indirect ? ", indirect" : ""}, batches of ${batch}`;
      const group = `${BUFFERS} buffers of ${PIECES} pieces`;
      const baseline = !packed && !indirect && batch === 1;
      Deno.bench(name, { group, baseline }, () => {
        for (let done = 0; done < BUFFERS; done += batch) {
          offer(batch);
          for (let i = 0; i < batch; i++) {
            if (!queue.pop(chains[i])) throw new Error("no buffer");
          }
          for (let i = 0; i < batch; i++) queue.push(chains[i], 0x400);
          queue.flush();
        }
      });
    }
  }
}

import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { forEachLayout, LAYOUTS } from "../testing/driver.ts";
import type { RawDescriptor } from "../testing/fake_queue.ts";
import { VirtqueueError } from "./mod.ts";
import { QueueRig } from "./queue_test_rig.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

/** @throws {assert.AssertionError} what doesn't throw a VirtqueueError with this message, again and again */
function refuses(rig: QueueRig, message: RegExp): void {
  // A device that comes again finds the same.
  for (let i = 0; i < 2; i++) {
    assert.throws(() => rig.queue.pop(rig.chain()), (error) => {
      assert(error instanceof VirtqueueError);
      assert.match(error.message, message);
      return true;
    });
  }
}

forEachLayout((layout) => {
  const over = `over ${layout.name}`;
  const refused = (message: RegExp, ...descriptors: RawDescriptor[]) => {
    const rig = new QueueRig(layout, 8);
    rig.ring.offerRaw(descriptors);
    refuses(rig, message);
  };
  const at = 0x1000;
  const end = 1 << 22;

  Deno.test(`a piece that is not RAM is refused, ${over}`, () => {
    refused(/0x3fffff\+0x2, is not in one region of RAM/, { address: end - 1, length: 2 });
    refused(/not in one region/, { address: 0, length: 0xffff_ffff });
    refused(/not in one region/, { address: 2 ** 52, length: 1 });
    refused(/above 2\^53/, { address: 2 ** 63, length: 1, flags: WRITE });
    refused(/above 2\^53/, { address: 2 ** 64 - 4096, length: 4097 });
    refused(/not in one region/, { address: at, length: 1 }, { address: end, length: 1 });
  });

  Deno.test(`a piece in two regions, between which nothing is, is refused, ${over}`, () => {
    const regions = [0, 1].map((i) => {
      const buffer = new SharedArrayBuffer(1 << 20);
      return { guestAddress: i << 20, size: 1 << 20, buffer, byteOffset: 0 };
    });
    const rig = new QueueRig(layout, 8, GuestMemory.attach({ regions }));
    rig.ring.offerRaw([{ address: (1 << 20) - 1, length: 1 }, { address: 1 << 20, length: 1 }]);
    assert.equal(rig.pop().count, 2);
    rig.ring.offerRaw([{ address: (1 << 20) - 1, length: 2 }]);
    refuses(rig, /not in one region/);
  });

  Deno.test(`a part for reading behind one for writing is refused, ${over}`, () => {
    refused(/reading behind one for writing/, { address: at, length: 1, flags: WRITE }, {
      address: at,
      length: 1,
    });
  });

  Deno.test(`a buffer of more than 2^32 bytes is refused, and one of 2^32 is not, ${over}`, () => {
    const memory = GuestMemory.forTest(2 ** 28 + (1 << 20));
    const rig = new QueueRig({ ...layout, indirect: false }, 32, memory);
    const piece = { address: 0x8000, length: 2 ** 28, flags: WRITE };
    const chain = rig.popRaw(...Array(16).fill(piece));
    assert.equal(chain.writableBytes, 2 ** 32);
    rig.queue.push(chain, 2 ** 32);
    rig.queue.flush();
    // The field has 32 bits: it says one byte less.
    assert.equal(rig.ring.collect()[0].written, 0xffff_ffff);
    rig.ring.offerRaw([...Array(16).fill(piece), { address: 0, length: 1, flags: WRITE }]);
    refuses(rig, /larger than 2\^32 bytes/);
  });

  Deno.test(`an indirect table that was not agreed on is refused, ${over}`, () => {
    const rig = new QueueRig({ ...layout, indirect: false }, 8);
    const table = rig.ring.rawTable([{ address: at, length: 1 }]);
    rig.ring.offerRaw([{ address: table, length: 16, flags: INDIRECT }]);
    refuses(rig, /was not agreed on/);
  });

  if (!layout.indirect) return;

  const table = (entries: readonly RawDescriptor[], change: Partial<RawDescriptor> = {}) => {
    const rig = new QueueRig(layout, 8);
    const address = rig.ring.rawTable(entries);
    rig.ring.offerRaw([{ address, length: 16 * entries.length, flags: INDIRECT, ...change }]);
    return rig;
  };
  const piece = { address: at, length: 1 };

  Deno.test(`an indirect table's own place is checked, ${over}`, () => {
    for (const length of [0, 8, 17, 0xffff_ffff]) {
      refuses(table([piece], { length }), new RegExp(`has ${length} bytes, not a multiple of 16`));
    }
    refuses(table([piece], { address: end - 8 }), /an indirect table, .* is not in one region/);
    refuses(table([piece], { address: 2 ** 60 }), /an indirect table is above 2\^53/);
    refuses(table([piece], { length: 0xffff_fff0 }), /an indirect table, .* is not in one region/);
  });

  Deno.test(`an indirect table in an indirect table is refused, ${over}`, () => {
    refuses(table([{ ...piece, flags: INDIRECT }]), /has an indirect table in it/);
    refuses(table([piece, { ...piece, flags: INDIRECT }]), /has an indirect table in it/);
  });

  Deno.test(`an indirect table with more pieces than the queue's size is refused, ${over}`, () => {
    assert.equal(table(Array(8).fill(piece)).pop().count, 8);
    refuses(table(Array(9).fill(piece)), /more than 8 descriptors/);
    refuses(table(Array(9).fill({ ...piece, length: 0 })), /more than 8 descriptors/);
    refuses(table(Array(60_000).fill(piece)), /more than 8 descriptors/);
  });

  Deno.test(`a buffer that goes on behind its table is refused, ${over}`, () => {
    refuses(table([piece], { flags: INDIRECT | NEXT }), /goes on behind|a list of descriptors has/);
  });

  Deno.test(`the pieces of an indirect table are checked as others are, ${over}`, () => {
    refuses(table([{ ...piece, flags: WRITE }, piece]), /reading behind one for writing/);
    refuses(table([piece, { address: end, length: 1 }]), /not in one region/);
  });
});

for (const layout of LAYOUTS.filter((layout) => !layout.packed)) {
  const over = `over ${layout.name}`;
  const at = 0x1000;

  Deno.test(`an available index that jumps is refused, ${over}`, () => {
    for (const jump of [9, 10, 0x7fff, 0x8000, 0xffff]) {
      const rig = new QueueRig(layout, 8);
      rig.driver.splitQueue(0).pokeAvailableIndex(jump);
      refuses(rig, new RegExp(`jumped from 0 to ${jump}, with 0 of 8 descriptors under way`));
    }
  });

  Deno.test(`more buffers than descriptors are refused, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const ring = rig.driver.splitQueue(0);
    for (let i = 0; i < 8; i++) ring.offer({ writable: [1] });
    const chains = Array.from({ length: 8 }, () => rig.pop());
    ring.pokeAvailableIndex(9);
    refuses(rig, /jumped from 8 to 9, with 8 of 8 descriptors under way/);
    // Given back, but not seen: they are still not the driver's.
    for (const chain of chains) rig.queue.push(chain, 0);
    refuses(rig, /8 of 8 descriptors under way/);
  });

  Deno.test(`a head beyond the table, or one under way, is refused, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const ring = rig.driver.splitQueue(0);
    ring.pokeAvailable(0, 8);
    ring.pokeAvailableIndex(1);
    refuses(rig, /descriptor 8 of 8 was offered/);
    ring.pokeAvailable(0, 3);
    rig.pop();
    ring.pokeAvailable(1, 3);
    ring.pokeAvailableIndex(2);
    refuses(rig, /descriptor 3 was offered twice/);
  });

  Deno.test(`loops of descriptors are refused, ${over}`, () => {
    for (const length of [0, 1]) {
      for (const loop of [1, 2, 8]) {
        const rig = new QueueRig(layout, 8);
        const ring = rig.driver.splitQueue(0);
        for (let slot = 0; slot < loop; slot++) {
          ring.pokeDescriptor(slot, { address: at, length, flags: NEXT }, (slot + 1) % loop);
        }
        ring.pokeAvailableIndex(1);
        refuses(rig, /more than 8 descriptors, or they form a loop/);
      }
    }
  });

  Deno.test(`a next descriptor beyond the table is refused, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const ring = rig.driver.splitQueue(0);
    ring.pokeDescriptor(0, { address: at, length: 1, flags: NEXT }, 8);
    ring.pokeAvailableIndex(1);
    refuses(rig, /goes on at descriptor 8 of 8/);
  });
}

Deno.test("loops and leaps inside an indirect table are refused", () => {
  for (const [next, message] of [[0, /form a loop/], [1, /goes on at number 1/]] as const) {
    const rig = new QueueRig(LAYOUTS[1], 8);
    const table = rig.ring.rawTable([{ address: 0x1000, length: 1, flags: NEXT }]);
    rig.memory.writeU16(table + 14, next);
    rig.ring.offerRaw([{ address: table, length: 16, flags: INDIRECT }]);
    refuses(rig, message);
  }
});

for (const layout of LAYOUTS.filter((layout) => layout.packed)) {
  const over = `over ${layout.name}`;
  const at = 0x1000;

  Deno.test(`descriptors that are available before they were given back are refused, ${over}`, () => {
    const rig = new QueueRig(layout, 4);
    const ring = rig.driver.packedQueue(0);
    for (let i = 0; i < 4; i++) ring.offer({ writable: [1] });
    const chains = Array.from({ length: 4 }, () => rig.pop());
    // As in the next lap.
    ring.pokeDescriptor(0, { address: at, length: 1, flags: ring.availableFlags() }, 9);
    refuses(rig, /takes more places than are free: 4 of 4/);
    rig.queue.push(chains[3], 0);
    refuses(rig, /takes more places than are free: 4 of 4/);
  });

  Deno.test(`a list that never ends is refused, ${over}`, () => {
    for (const busy of [0, 3]) {
      const rig = new QueueRig(layout, 8);
      const ring = rig.driver.packedQueue(0);
      for (let i = 0; i < busy; i++) ring.offer({ writable: [1] });
      for (let i = 0; i < busy; i++) rig.pop();
      const flags = NEXT | ring.availableFlags();
      for (let slot = busy; slot < 8; slot++) {
        ring.pokeDescriptor(slot, { address: at, length: 1, flags }, 9);
      }
      if (busy === 0) refuses(rig, /more than|takes more places/);
      else refuses(rig, /takes more places than are free: 3 of 8/);
    }
  });

  Deno.test(`a buffer id that is under way is refused, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const ring = rig.driver.packedQueue(0);
    ring.useIds([7, 7]);
    ring.offer({ writable: [1] });
    ring.offer({ writable: [1] });
    rig.pop();
    refuses(rig, /buffer 7 was offered twice/);
  });

  if (!layout.indirect) continue;

  Deno.test(`a list with an indirect table in it is refused, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const table = rig.ring.rawTable([{ address: at, length: 1 }]);
    const indirect = { address: table, length: 16, flags: INDIRECT };
    rig.ring.offerRaw([{ address: at, length: 1 }, indirect]);
    refuses(rig, /a list of descriptors has an indirect table in it/);
  });
}

Deno.test("an event structure that says nonsense costs an interrupt, and nothing else", () => {
  for (const layout of LAYOUTS.filter((layout) => layout.packed)) {
    const rig = new QueueRig(layout, 4);
    for (const event of [0x3_0000, 0x2_7fff, 0xffff_ffff, 0x1_ffff]) {
      rig.memory.writeU32(rig.ring.configuration.driverArea, event);
      rig.roundTrip({ writable: [1] });
    }
    // Disabled is clear, and so is a descriptor's event, where those were agreed on.
    assert.equal(rig.interrupts, layout.eventIdx ? 2 : 3);
  }
});

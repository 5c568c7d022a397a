import assert from "node:assert/strict";
import { forEachLayout, LAYOUTS } from "../testing/driver.ts";
import { QueueMisuseError, VirtqueueError } from "./mod.ts";
import { DescriptorChain } from "./chain.ts";
import { bytes, QueueRig } from "./queue_test_rig.ts";

forEachLayout((layout) => {
  const over = `over ${layout.name}`;

  Deno.test(`a device reads what was offered, and the driver what was written, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const token = rig.ring.offer({ readable: [bytes(1, 2), bytes(3)], writable: [2, 5] });
    const chain = rig.pop();
    assert.deepEqual(rig.read(chain), bytes(1, 2, 3));
    assert.equal(chain.readableCount, 2);
    assert.equal(chain.count, 4);
    assert.equal(chain.writableBytes, 7);
    assert.equal(chain.write(rig.memory, 1, bytes(9, 8, 7)), 3);
    rig.queue.push(chain, 4);
    rig.queue.flush();
    const writable = bytes(0, 9, 8, 7, 0, 0, 0);
    const done = { token, written: 4, bytes: bytes(0, 9, 8, 7), writable };
    assert.deepEqual(rig.ring.collect(), [done]);
  });

  Deno.test(`there is nothing to pop before a buffer is published, ${over}`, () => {
    const rig = new QueueRig(layout, 4);
    const chain = rig.chain();
    assert(!rig.queue.pop(chain) && !rig.queue.hasBuffers);
    rig.ring.add({ writable: [1] });
    rig.ring.add({ writable: [2] });
    assert(!rig.queue.pop(chain) && !rig.queue.hasBuffers);
    rig.ring.publish();
    assert(rig.queue.hasBuffers);
    assert(rig.queue.pop(chain) && rig.queue.pop(chain) && !rig.queue.pop(chain));
    assert.equal(rig.queue.inFlight, 2);
  });

  Deno.test(`what was pushed is shown at once by flush, in the device's order, ${over}`, () => {
    const rig = new QueueRig(layout, 16);
    const tokens = [1, 2, 3, 4].map((size) => rig.ring.offer({ writable: [size] }));
    const chains = tokens.map(() => rig.pop());
    for (const i of [2, 0, 3, 1]) {
      rig.queue.push(chains[i], 0);
      assert.equal(rig.ring.collect().length, 0);
    }
    assert.equal(rig.queue.inFlight, 0);
    rig.queue.flush();
    assert.deepEqual(rig.ring.collect().map(({ token }) => token), [2, 0, 3, 1]);
    assert.equal(rig.interrupts, 1);
    rig.queue.flush();
    assert.equal(rig.interrupts, 1);
  });

  Deno.test(`a queue can be as full as it has descriptors, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    for (let lap = 0; lap < 5; lap++) {
      for (let i = 0; i < 8; i++) rig.ring.offer({ writable: [i] });
      const chains = Array.from({ length: 8 }, () => rig.pop());
      assert(!rig.queue.pop(rig.chain()));
      for (const chain of chains) rig.queue.push(chain, 0);
      rig.queue.flush();
      assert.equal(rig.ring.collect().length, 8);
    }
  });

  Deno.test(`a buffer can have as many pieces as the queue has descriptors, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const readable = Array.from({ length: 5 }, (_, i) => bytes(i));
    rig.ring.offer({ readable, writable: [1, 1, 1] });
    const chain = rig.pop();
    assert.deepEqual([chain.readableCount, chain.count], [5, 8]);
    assert.deepEqual(rig.read(chain), bytes(0, 1, 2, 3, 4));
  });

  Deno.test(`buffers that were put back come again, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    for (let lap = 0; lap < 9; lap++) {
      for (let i = 0; i < 4; i++) rig.ring.offer({ readable: [bytes(i)], writable: [4] });
      const chains = [0, 1, 2, 3].map(() => rig.pop());
      rig.queue.push(chains[0], 0);
      for (const i of [3, 2, 1]) rig.queue.unpop(chains[i]);
      assert.equal(rig.queue.inFlight, 0);
      for (const i of [1, 2, 3]) {
        const chain = rig.pop();
        assert.deepEqual(rig.read(chain), bytes(i));
        rig.queue.push(chain, 0);
      }
      rig.queue.flush();
      assert.equal(rig.ring.collect().length, 4);
    }
  });

  Deno.test(`only the buffer that was popped last can be put back, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    for (let i = 0; i < 2; i++) rig.ring.offer({ writable: [1, 2] });
    const [first, second] = [rig.pop(), rig.pop()];
    assert.throws(() => rig.queue.unpop(first), /popped last/);
    rig.queue.push(second, 0);
    assert.throws(() => rig.queue.unpop(first), QueueMisuseError);
  });

  Deno.test(`a device's mistakes are told from its driver's, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    rig.ring.offer({ readable: [bytes(1)], writable: [4] });
    assert.throws(() => rig.queue.pop(new DescriptorChain(7)), /room for 7 pieces is too small/);
    const chain = rig.pop();
    for (const written of [5, -1, NaN]) {
      assert.throws(() => rig.queue.push(chain, written), /can't be written to a buffer/);
    }
    rig.queue.push(chain, 4);
    assert.throws(() => rig.queue.push(chain, 0), /is not under way/);
    assert.throws(() => rig.queue.unpop(chain), /is not under way/);
    assert.throws(() => rig.queue.push(new DescriptorChain(8), 0), QueueMisuseError);
  });

  Deno.test(`a "no" of pop or hasBuffers promises a notification, ${over}`, () => {
    const rig = new QueueRig(layout, 4);
    const asks = [() => rig.queue.pop(rig.chain()), () => rig.queue.hasBuffers];
    for (let i = 0; i < 30; i++) {
      assert(!asks[i % 2]());
      rig.ring.kickWanted = false;
      rig.ring.offer({ writable: [1] });
      assert(rig.ring.kickWanted, `after ${i} buffers`);
      rig.queue.push(rig.pop(), 0);
      rig.queue.flush();
      rig.ring.collect();
    }
  });

  Deno.test(`a device that ignores a queue is not notified until it watches again, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    rig.roundTrip({ writable: [1] });
    rig.queue.ignore();
    rig.ring.kickWanted = false;
    rig.ring.offer({ writable: [1] });
    rig.ring.offer({ writable: [1] });
    assert(!rig.ring.kickWanted);
    assert(rig.queue.hasBuffers);
    assert(rig.queue.watch(), "buffers came meanwhile");
    rig.pop();
    rig.pop();
    assert(!rig.queue.watch());
    rig.ring.offer({ writable: [1] });
    assert(rig.ring.kickWanted);
  });

  Deno.test(`a driver that refuses interrupts gets none, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    rig.ring.refuseInterrupts();
    for (let i = 0; i < 50; i++) rig.roundTrip({ writable: [1] });
    assert.equal(rig.interrupts, 0);
    rig.ring.wantInterrupts();
    rig.roundTrip({ writable: [1] });
    assert.equal(rig.interrupts, 1);
  });

  if (layout.eventIdx) {
    Deno.test(`a driver can wait for several buffers to come back, ${over}`, () => {
      const rig = new QueueRig(layout, 8);
      for (let lap = 0; lap < 20; lap++) {
        rig.ring.wantInterrupts(5);
        rig.interrupts = 0;
        for (let i = 1; i <= 7; i++) {
          rig.roundTrip({ writable: [1] });
          assert.equal(rig.interrupts, i >= 5 ? 1 : 0);
        }
      }
    });
  }

  Deno.test(`a queue goes on where it was saved, with its wants told anew, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    for (let i = 0; i < 21; i++) {
      rig.roundTrip({ readable: [bytes(1)], writable: [1] });
      rig.ring.offer({ readable: [bytes(i)] });
      rig.queue.ignore();
      rig.queue = rig.open(rig.queue.position);
      const chain = rig.pop();
      assert.deepEqual(rig.read(chain), bytes(i));
      rig.queue.push(chain, 0);
      rig.queue.flush();
      assert.equal(rig.ring.collect().length, 1);
      rig.queue = rig.open(rig.queue.position);
      rig.ring.kickWanted = false;
      rig.roundTrip({ writable: [1] });
      assert(rig.ring.kickWanted);
    }
  });

  Deno.test(`empty pieces are left out, wherever they point, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const at = rig.ring.allocate(16);
    const chain = rig.popRaw(
      { address: 2 ** 60, length: 0 },
      { address: at, length: 3 },
      { address: 0, length: 0, flags: 2 },
      { address: at + 3, length: 4, flags: 2 },
    );
    assert.equal(chain.count, 2);
    assert.deepEqual([...chain.addresses.subarray(0, 2)], [at, at + 3]);
    assert.deepEqual([chain.readableCount, chain.readableBytes, chain.writableBytes], [1, 3, 4]);
  });

  Deno.test(`a buffer may have no bytes at all, ${over}`, () => {
    const rig = new QueueRig(layout, 8);
    const chain = rig.popRaw({ address: 0, length: 0 });
    assert.equal(chain.count, 0);
    rig.queue.push(chain, 0);
  });

  Deno.test(`a queue takes buffers without allocating, ${over}`, () => {
    const rig = new QueueRig(layout, 64);
    const chains = Array.from({ length: 64 }, () => rig.chain());
    for (let i = 0; i < 21; i++) rig.ring.offer({ readable: [bytes(1)], writable: [1, 2] });
    // The same buffers, again and again: no driver's work is measured.
    const again = () => {
      let popped = 0;
      while (rig.queue.pop(chains[popped])) popped++;
      while (popped > 0) rig.queue.unpop(chains[--popped]);
    };
    const grown = () => {
      const before = Deno.memoryUsage().heapUsed;
      for (let i = 0; i < 200; i++) again();
      return Deno.memoryUsage().heapUsed - before;
    };
    // 4200 buffers: eight bytes for each would be 33 kB. Compiling allocates, at first.
    let least = Infinity;
    for (let i = 0; i < 200 && least > 16_000; i++) {
      const growth = grown();
      if (growth >= 0) least = Math.min(least, growth);
    }
    assert(least <= 16_000, `4200 buffers took ${least} bytes`);
  });
});

Deno.test("a split queue's indices wrap at 16 bits", () => {
  for (const eventIdx of [false, true]) {
    const rig = new QueueRig({ name: "", eventIdx }, 4);
    rig.driver.splitQueue(0).startAt(65_533);
    rig.queue = rig.open({ nextAvailable: 65_533, nextUsed: 65_533 });
    for (let i = 0; i < 10; i++) {
      rig.ring.wantInterrupts();
      rig.roundTrip({ writable: [1] });
      assert.equal(rig.interrupts, i + 1);
    }
    assert.deepEqual(rig.queue.position, { nextAvailable: 7, nextUsed: 7 });
  }
});

Deno.test("a split queue with event indices has no flags that could ask for silence", () => {
  const rig = new QueueRig(LAYOUTS[1], 4);
  rig.memory.writeU16(rig.ring.configuration.deviceArea, 1);
  rig.queue = rig.open();
  assert.equal(rig.memory.readU16(rig.ring.configuration.deviceArea), 0);
});

Deno.test("a packed queue may have any size, and any buffer ids", () => {
  for (const size of [1, 3, 7, 100]) {
    const rig = new QueueRig(LAYOUTS[2], size);
    for (let i = 0; i < 3 * size + 2; i++) {
      rig.driver.packedQueue(0).useIds([(i * 7919) & 0xffff, 0xffff]);
      rig.roundTrip({ writable: [1] });
    }
    const lap = Math.floor((3 * size + 2) / size) % 2 === 0 ? 0x8000 : 0;
    const nextUsed = ((3 * size + 2) % size) | lap;
    assert.deepEqual(rig.queue.position, { nextAvailable: nextUsed, nextUsed });
  }
});

Deno.test("a split queue's buffer may end in an indirect table, whose write flag is ignored", () => {
  const rig = new QueueRig(LAYOUTS[1], 8);
  const at = rig.ring.allocate(64);
  const table = rig.ring.rawTable([
    { address: at, length: 2 },
    { address: at, length: 3, flags: 2 },
  ]);
  const chain = rig.popRaw(
    { address: at, length: 1 },
    { address: table, length: 32, flags: 4 | 2 },
  );
  assert.deepEqual([chain.readableBytes, chain.writableBytes, chain.count], [3, 3, 3]);
});

Deno.test("an indirect table needs no alignment", () => {
  for (const layout of LAYOUTS.filter((layout) => layout.indirect)) {
    const rig = new QueueRig(layout, 8);
    const at = rig.ring.allocate(64);
    const table = rig.ring.rawTable([{ address: at, length: 2 }, { address: at, length: 3 }]);
    const moved = rig.ring.allocate(64) + 3;
    rig.memory.write(moved, rig.memory.readBytes(table, 32));
    assert.equal(rig.popRaw({ address: moved, length: 32, flags: 4 }).readableBytes, 5);
  }
});

forEachLayout((layout) => {
  Deno.test(`a queue whose areas can't be is not opened, over ${layout.name}`, () => {
    const rig = new QueueRig(layout, 8);
    const features = rig.driver.queueFeatures;
    const good = rig.ring.configuration;
    const open = (changes: Partial<typeof good>) => () => {
      const driver = { ...good, ...changes };
      Object.assign(rig.ring, { configuration: driver });
      return rig.open(driver.position);
    };
    assert(features.packed === Boolean(layout.packed));
    const end = rig.memory.end;
    const wrong: [Partial<typeof good>, RegExp][] = [
      [{ descriptorArea: good.descriptorArea + 8 }, /descriptor.* not aligned to 16/],
      [{ driverArea: good.driverArea + 1 }, /not aligned/],
      [{ deviceArea: good.deviceArea + 2 }, /not aligned to 4/],
      [{ descriptorArea: end - 16 }, /not RAM/],
      [{ driverArea: end }, /not RAM/],
      [{ deviceArea: 2 ** 63 }, /not RAM/],
      [{ size: 0 }, /can't have 0 descriptors/],
      [{ size: 65_536 }, /can't have 65536 descriptors/],
      [{ size: 2.5 }, /can't have 2.5 descriptors/],
      [{ position: { nextAvailable: 65_536, nextUsed: 0 } }, /can't go on/],
      [{ position: { nextAvailable: 0, nextUsed: -1 } }, /can't go on/],
      [{ position: { nextAvailable: 0, nextUsed: 0.5 } }, /can't go on/],
      layout.packed
        ? [{ position: { nextAvailable: 0x8008, nextUsed: 0 } }, /can't go on at descriptor 8 of 8/]
        : [{ size: 12 }, /a power of two/],
    ];
    for (const [changes, message] of wrong) {
      assert.throws(open(changes), (error) => {
        assert(error instanceof VirtqueueError);
        assert.match(error.message, message);
        assert.match(error.message, /^queue 0: /);
        return true;
      });
    }
    open({})();
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { GuestMemory } from "../src/memory/mod.ts";
import {
  alignDown,
  alignUp,
  freeRam,
  type GuestRange,
  highestFit,
  lowestFit,
  ramRanges,
  within,
  without,
} from "./ranges.ts";

/** Guest memory of the given pieces. */
function memoryOf(...ranges: [number, number][]): GuestMemory {
  return GuestMemory.attach({
    regions: ranges.map(([start, end]) => ({
      guestAddress: start,
      size: end - start,
      buffer: new SharedArrayBuffer(end - start),
      byteOffset: 0,
    })),
  });
}

Deno.test("regions that adjoin are one range of RAM", () => {
  const memory = memoryOf([0, 0x1000], [0x1000, 0x3000], [0x8000, 0x9000]);
  assert.deepEqual(ramRanges(memory), [{ start: 0, end: 0x3000 }, { start: 0x8000, end: 0x9000 }]);
});

Deno.test("free RAM is what nothing covers", () => {
  const memory = memoryOf([0, 0x4000], [0x8000, 0x9000]);
  const taken = [{ start: 0x1000, end: 0x2000 }, { start: 0, end: 0x800 }, {
    start: 0x3800,
    end: 0x8800,
  }];
  assert.deepEqual(freeRam(memory, taken), [
    { start: 0x800, end: 0x1000 },
    { start: 0x2000, end: 0x3800 },
    { start: 0x8800, end: 0x9000 },
  ]);
});

Deno.test("the lowest and the highest aligned place that fits are found, or none", () => {
  const free = [{ start: 0x100, end: 0x2800 }, { start: 0x5000, end: 0x6800 }];
  assert.equal(lowestFit(free, 0x1000, 0x1000), 0x1000);
  assert.equal(lowestFit(free, 0x1801, 0x1000), undefined);
  assert.equal(highestFit(free, 0x1000, 0x1000), 0x5000);
  assert.equal(highestFit(free, 0x1801, 1), 0xfff);
  assert.equal(highestFit(free, 0x2701, 1), undefined);
  assert.equal(lowestFit([], 1, 1), undefined);
});

Deno.test("alignment is exact where 32-bit arithmetic would not be", () => {
  assert.equal(alignUp(2 ** 40 + 1, 0x1000), 2 ** 40 + 0x1000);
  assert.equal(alignDown(2 ** 40 + 0xfff, 0x1000), 2 ** 40);
  assert.equal(alignUp(0, 0x1000), 0);
});

Deno.test("taking ranges away, and places in what is left, agree with a map of single addresses", () => {
  const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, size]) => ({
    start,
    end: start + size,
  }));
  const size = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      fc.array(range),
      range,
      size,
      fc.constantFrom(1, 2, 4, 8),
      (taken, bounds, size, alignment) => {
        const left = within(without([{ start: 0, end: 64 }], taken), bounds);
        const isFree = (at: number) =>
          at >= bounds.start && at < Math.min(bounds.end, 64) &&
          !taken.some((t: GuestRange) => t.start <= at && at < t.end);
        for (let at = 0; at < 80; at++) {
          assert.equal(left.some(({ start, end }) => start <= at && at < end), isFree(at));
        }
        const fits: number[] = [];
        for (let at = 0; at < 64; at += alignment) {
          if (Array.from({ length: size }, (_, i) => at + i).every(isFree)) fits.push(at);
        }
        const low = lowestFit(left, size, alignment);
        const high = highestFit(left, size, alignment);
        assert.equal(low, fits[0]);
        assert.equal(high, fits.at(-1));
      },
    ),
  );
});

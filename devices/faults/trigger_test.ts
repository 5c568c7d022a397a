import assert from "node:assert/strict";
import fc from "fast-check";
import { FaultRandom, FaultTrigger } from "./mod.ts";

const rates = fc.record({
  rate: fc.double({ min: 0, max: 1, noNaN: true }),
  after: fc.nat(50),
  count: fc.integer({ min: 1, max: 50 }),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

Deno.test("a trigger passes over the first, holds no more often than it may, and repeats itself", () => {
  fc.assert(fc.property(rates, (rate) => {
    const trigger = new FaultTrigger(rate);
    const fired = Array.from({ length: 200 }, () => trigger.fires());
    const hits = fired.filter(Boolean).length;
    assert.deepEqual([trigger.seen, trigger.hits], [200, hits]);
    assert(hits <= rate.count);
    assert(!fired.slice(0, rate.after).includes(true));
    if (rate.rate === 1) assert.equal(hits, Math.min(rate.count, 200 - rate.after));
    if (rate.rate === 0) assert.equal(hits, 0);
    const again = new FaultTrigger(rate);
    assert.deepEqual(Array.from({ length: 200 }, () => again.fires()), fired);
  }));
});

Deno.test("a rate is kept, whatever the seed", () => {
  for (let seed = 0; seed < 50; seed++) {
    const trigger = new FaultTrigger({ rate: 0.25, seed });
    for (let i = 0; i < 4000; i++) trigger.fires();
    // Five deviations of a binomial distribution: sqrt(4000 * 0.25 * 0.75) is 27.4.
    assert(Math.abs(trigger.hits - 1000) < 137, `${trigger.hits} of 4000 with seed ${seed}`);
  }
});

Deno.test("a trigger without properties always holds", () => {
  const trigger = new FaultTrigger({});
  for (let i = 0; i < 10; i++) assert(trigger.fires());
});

Deno.test("chance is spread evenly, and never one", () => {
  const random = new FaultRandom(42);
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const number = random.next();
    assert(number >= 0 && number < 1);
    counts[Math.floor(number * 16)]++;
  }
  for (const count of counts) assert(Math.abs(count - 1000) < 155, `${counts}`);
  for (let i = 0; i < 100; i++) assert([0, 1, 2].includes(random.below(3)));
});

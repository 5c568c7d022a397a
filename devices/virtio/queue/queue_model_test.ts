import assert from "node:assert/strict";
import fc from "fast-check";
import { forEachLayout } from "../testing/driver.ts";
import { Random } from "../testing/random.ts";
import { ACTIONS, QueueModel } from "./queue_model_test_rig.ts";

forEachLayout((layout) => {
  Deno.test(`a queue and its driver agree with a model, whatever they do, over ${layout.name}`, () => {
    const steps = fc.array(fc.tuple(fc.constantFrom(...ACTIONS), fc.integer()), { maxLength: 150 });
    const sizes = layout.packed ? fc.integer({ min: 1, max: 9 }) : fc.constantFrom(1, 2, 4, 8);
    const starts = fc.oneof(fc.constant(0), fc.integer({ min: 65_500, max: 65_535 }));
    fc.assert(
      fc.property(sizes, starts, steps, (size, start, steps) => {
        const model = new QueueModel(layout, size, start);
        for (const [action, seed] of steps) model.step(action, new Random(seed));
        model.drain();
      }),
      { numRuns: 300 },
    );
  });

  Deno.test(`a queue agrees with a model while its indices wrap again and again, over ${layout.name}`, () => {
    const random = new Random(2);
    const model = new QueueModel(layout, 32);
    // Mostly what moves buffers on.
    const often = [
      "offer",
      "offer",
      "pop",
      "pop",
      "pop",
      "push",
      "push",
      "flush",
      "collect",
    ] as const;
    // Enough for two turns of 16 bits; a packed ring's places come round much sooner.
    const enough = layout.packed ? 30_000 : 140_000;
    while (model.completed < enough) {
      for (let i = 0; i < 100; i++) {
        model.step(random.oneIn(4) ? random.pick(ACTIONS) : random.pick(often), random);
      }
    }
    model.drain();
    assert(model.notified > 1000, `${model.notified} notifications`);
  });
});

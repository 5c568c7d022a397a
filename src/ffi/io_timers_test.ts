import assert from "node:assert/strict";
import fc from "fast-check";
import { type TimerEntry, TimerHeap } from "./io_timers.ts";

Deno.test("whatever is set, moved and removed, the first of the heap is the one that expires first", () => {
  const command = fc.record({
    kind: fc.constantFrom("set", "set", "remove", "pop"),
    timer: fc.nat(15),
    deadline: fc.oneof(fc.nat(20), fc.double({ min: 0, max: 1e6, noNaN: true })),
  });
  fc.assert(fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
    const timers = Array.from({ length: 16 }, (): TimerEntry => ({ deadline: 0, position: -1 }));
    const heap = new TimerHeap<TimerEntry>();
    const model = new Map<TimerEntry, number>();
    for (const { kind, timer, deadline } of commands) {
      const chosen = kind === "pop" ? heap.first : timers[timer];
      if (chosen === undefined) continue;
      if (kind === "set") {
        heap.set(chosen, deadline);
        model.set(chosen, deadline);
      } else {
        heap.remove(chosen);
        model.delete(chosen);
      }
      assert.equal(heap.size, model.size);
      const earliest = Math.min(...model.values());
      assert.equal(heap.first?.deadline ?? Infinity, earliest);
      for (const each of timers) {
        assert.equal(each.position >= 0, model.has(each));
        if (model.has(each)) assert.equal(each.deadline, model.get(each));
      }
    }
  }));
});

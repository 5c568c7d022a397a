import assert from "node:assert/strict";
import { measures, takeTurns } from "./rounds.ts";

Deno.test("sides take turns in an order that alternates, and each round is told when it's done", async () => {
  const log: string[] = [];
  const turn = (name: string) => () => Promise.resolve(log.push(name));
  const rounds = await takeTurns({ denovisor: turn("a"), C: turn("b"), QEMU: turn("c") }, {
    rounds: 3,
    onRound: (done) => log.push(String(done)),
  });
  assert.equal(log.join(" "), "a b c 1 c b a 2 a b c 3");
  assert.deepEqual(rounds, { denovisor: [1, 7, 9], C: [2, 6, 10], QEMU: [3, 5, 11] });
});

Deno.test("measures have a value of each side and round, ours first", () => {
  const rounds = { denovisor: [{ ms: 1 }, { ms: 2 }], C: [{ ms: 3 }, { ms: 4 }] };
  const [measure] = measures(rounds, [
    {
      name: "start",
      unit: "s",
      better: "less",
      goals: [{ atMost: 1 }],
      pick: ({ ms }) => ms / 1000,
    },
  ]);
  assert.deepEqual(measure, {
    name: "start",
    unit: "s",
    better: "less",
    goals: [{ atMost: 1 }],
    values: { denovisor: [0.001, 0.002], C: [0.003, 0.004] },
  });
  assert.deepEqual(Object.keys(measure.values), ["denovisor", "C"]);
});

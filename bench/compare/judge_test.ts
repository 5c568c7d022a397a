import assert from "node:assert/strict";
import fc from "fast-check";
import { checkReport, judge, judgeAll, margin, ratio } from "./judge.ts";
import type { Measure, Report } from "./report.ts";

const measure = (values: Measure["values"], rest: Partial<Measure> = {}): Measure => ({
  name: "exit",
  unit: "µs",
  better: "less",
  values,
  ...rest,
});

Deno.test("a ratio is made round by round, so that a slow round harms neither side", () => {
  // The second round's host was ten times slower, for both.
  const both = measure({ denovisor: [10, 110, 12], C: [10, 100, 10] });
  assert.deepEqual(ratio(both, "denovisor", "C"), { median: 1.1, min: 1, max: 1.2 });
});

Deno.test("the median of the rounds decides whether a goal is met", () => {
  const both = measure({ denovisor: [1, 1.05, 9], C: [1, 1, 1] });
  assert.equal(judge(both, { by: "C", atMost: 1.05 }).verdict, "met");
  assert.equal(judge(both, { by: "C", atMost: 1.04 }).verdict, "missed");
  assert.equal(judge(both, { by: "C", atLeast: 1.05 }).verdict, "met");
  assert.equal(judge(both, { by: "C", atLeast: 1.06 }).verdict, "missed");
});

Deno.test("a goal without another side is about the values themselves, of the side that it names", () => {
  const both = measure({ denovisor: [4, 5, 6], "deno run": [7, 8, 9] });
  assert.deepEqual(judge(both, { atMost: 5 }).result, { median: 5, min: 4, max: 6 });
  assert.equal(judge(both, { side: "deno run", atMost: 5 }).verdict, "missed");
});

Deno.test("a goal is neither met nor missed where a side wasn't measured, or was nothing", () => {
  const alone = measure({ denovisor: [1, 2] }, { goals: [{ by: "QEMU", atMost: 1 }] });
  assert.deepEqual(
    judgeAll({ measures: [alone], commands: {}, notes: [] }).map(({ verdict, result }) => ({
      verdict,
      result,
    })),
    [{ verdict: "unknown", result: undefined }],
  );
  assert.equal(margin(judge(alone, { by: "QEMU", atMost: 1 })), undefined);
  const nothing = measure({ denovisor: [0, 0], QEMU: [0, 0] });
  assert.equal(judge(nothing, { by: "QEMU", atMost: 1 }).verdict, "unknown");
  assert.equal(judge(nothing, { atMost: 0.5 }).verdict, "met");
  assert.equal(margin(judge(nothing, { atMost: 0.5 })), Infinity);
});

Deno.test("a margin is above one if and only if its goal is met", () => {
  const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
  fc.assert(fc.property(
    fc.array(positive, { minLength: 1, maxLength: 9 }),
    positive,
    fc.boolean(),
    (values, limit, most) => {
      const goal = most ? { atMost: limit } : { atLeast: limit };
      const judgement = judge(measure({ denovisor: values }), goal);
      assert.equal(judgement.verdict === "met", margin(judgement)! >= 1);
    },
  ));
});

Deno.test("a report with measures that can't be compared is refused", () => {
  const report = (...measures: Measure[]): Report => ({
    measures,
    commands: { denovisor: "denovisor", C: "loop" },
    notes: [],
  });
  checkReport(report(measure({ denovisor: [1], C: [2] })));
  const refused: [Report, RegExp][] = [
    [report(), /nothing was measured/],
    [report(measure({ denovisor: [1] }), measure({ denovisor: [1] })), /"exit" is there twice/],
    [report(measure({ C: [1], denovisor: [1] })), /doesn't begin with denovisor/],
    [report(measure({ denovisor: [] })), /has no values/],
    [report(measure({ denovisor: [1, 2], C: [2] })), /2 values of denovisor and 1 of C/],
    [report(measure({ denovisor: [NaN] })), /isn't finite/],
    [report(measure({ denovisor: [1], QEMU: [1] })), /QEMU, whose command isn't told/],
    [report(measure({ denovisor: [1] }, { goals: [{}] })), /without one limit/],
    [report(measure({ denovisor: [1] }, { goals: [{ atMost: 1, atLeast: 1 }] })), /one limit/],
  ];
  for (const [bad, message] of refused) assert.throws(() => checkReport(bad), message);
});

import assert from "node:assert/strict";
import { reportOn, summary, Table } from "./report.ts";
import type { CaseResult } from "./runner.ts";
import { fakeCase } from "./testing.ts";

const cases = [
  fakeCase("good"),
  fakeCase("elsewhere", undefined, { area: "virtio" }),
  fakeCase("bad", undefined, { area: "virtio" }),
  fakeCase("never", undefined, { area: "virtio" }),
];

const results: CaseResult[] = [
  { case: cases[0], milliseconds: 12.4, outcome: { result: "pass" } },
  { case: cases[1], milliseconds: 0, outcome: { result: "skip", reason: "needs wings" } },
  {
    case: cases[2],
    milliseconds: 2345,
    outcome: {
      result: "fail",
      reason: "the end is a crash\nrip 0",
      console: Array.from({ length: 12 }, (_, i) => `line ${i}`),
      log: ["disk0: stopped"],
    },
  },
];

const run = { version: "1.2.3", carrier: "deno", cases, results, milliseconds: 2400 };

Deno.test("the table is aligned, with a heading for each area and what was wrong below", () => {
  const table = new Table(cases, false);
  assert.equal(
    results.map((result) => table.row(result)).join(""),
    [
      "The program",
      "  pass  good        12 ms  what good is for",
      "",
      "Virtio devices",
      "  skip  elsewhere          skipped: needs wings",
      "  FAIL  bad         2.3 s  what bad is for",
      "        -> the end is a crash",
      "           rip 0",
      "        the last lines of its console:",
      ...Array.from({ length: 10 }, (_, i) => `          line ${i + 2}`),
      "        its devices:",
      "          disk0: stopped",
      "",
    ].join("\n"),
  );
});

Deno.test("colours change no letter of the table", () => {
  const [plain, painted] = [false, true].map((color) => {
    const table = new Table(cases, color);
    return results.map((result) => table.row(result)).join("");
  });
  assert.notEqual(painted, plain);
  const escape = String.fromCharCode(0x1b);
  assert.equal(painted.replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, "g"), ""), plain);
});

Deno.test("a list has each case below its area", () => {
  const table = new Table(cases, false);
  assert.equal(
    cases.slice(0, 2).map((each) => table.listed(each)).join(""),
    "The program\n  good       what good is for\n\nVirtio devices\n  elsewhere  what elsewhere is for\n",
  );
});

Deno.test("the report counts, and has all lines of a console", () => {
  const report = reportOn(run);
  assert.deepEqual([report.passed, report.failed, report.skipped, report.notRun], [1, 1, 1, 1]);
  assert.deepEqual(report.cases.slice(0, 2), [
    { name: "good", area: "program", title: "what good is for", result: "pass", milliseconds: 12 },
    {
      name: "elsewhere",
      area: "virtio",
      title: "what elsewhere is for",
      result: "skip",
      milliseconds: 0,
      reason: "needs wings",
    },
  ]);
  assert.equal(report.cases[2].console?.length, 12);
  assert.deepEqual(report.cases[2].log, ["disk0: stopped"]);
  assert(!("problem" in report));
  assert.equal(reportOn({ ...run, problem: "no KVM" }).problem, "no KVM");
});

Deno.test("the last line tells how many, and what was left out only where something was", () => {
  assert.equal(summary(reportOn(run)), "1 passed, 1 failed, 1 skipped, 1 not run in 2.4 s");
  const whole = reportOn({ ...run, cases: cases.slice(0, 3) });
  assert.equal(summary(whole), "1 passed, 1 failed, 1 skipped in 2.4 s");
});

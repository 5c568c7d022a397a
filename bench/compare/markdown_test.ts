import assert from "node:assert/strict";
import fc from "fast-check";
import { escape, markdown } from "./markdown.ts";
import { table } from "./table.ts";
import { exitMeasure, keptOf } from "./testing/reports.ts";

Deno.test("the summary has every goal with its result, a missed one like one that is met", () => {
  const text = markdown([
    keptOf("exits", [exitMeasure()]),
    keptOf("memory", [exitMeasure({
      name: "PSS",
      unit: "MiB",
      values: { denovisor: [44, 45, 46] },
      goals: [{ atMost: 45 }, { by: "QEMU", atMost: 1 }],
    })]),
  ]);
  assert.match(text, /^Of 4 goals: 2 met, 1 missed, 1 not measured\.$/m);
  const summary = text.split("\n").filter((line) => /\| (met|missed|not measured) \|$/.test(line));
  assert.deepEqual(summary, [
    "| [What exits takes](#what-exits-takes): port write, p50 | ≤ 1.05 × C | 1.125 × C (1–1.25) | missed |",
    "| [What exits takes](#what-exits-takes): port write, p50 | ≤ 1 × QEMU | 0.5 × QEMU | met |",
    "| [What memory takes](#what-memory-takes): PSS | ≤ 45 MiB | 45 MiB (44–46) | met |",
    "| [What memory takes](#what-memory-takes): PSS | ≤ 1 × QEMU | no QEMU | not measured |",
  ]);
});

Deno.test("a section tells how it was measured, on what, by which command lines, and with which values", () => {
  const lines = markdown([keptOf("exits", [exitMeasure()])]).split("\n");
  for (
    const line of [
      "## What exits takes",
      "Of exits.",
      "![What exits takes](results/exits.svg)",
      "| port write, p50 (µs, less is better) | 9 (8–10) | 8 | 18 (16–20) | 1.125 (1–1.25) | 0.5 |",
      "- Nothing of note.",
      "| processor | Z80, 1 core |",
      "| QEMU | QEMU 7.2 |",
      "deno task compare exits",
      "# QEMU",
      "qemu -kernel $GUEST",
    ]
  ) assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join("\n")}`);
  assert.ok(lines.some((line) => line.includes("at commit 0123456789ab: 3 rounds in about 20 s")));
});

Deno.test("sides that a measure doesn't have leave their cells empty", () => {
  const alone = exitMeasure({ name: "alone", values: { denovisor: [1, 1, 1] }, goals: [] });
  const text = markdown([keptOf("exits", [exitMeasure({ goals: [] }), alone])]);
  assert.ok(text.includes("\n| alone (µs, less is better) | 1 |  |  |  |  |\n"), text);
  assert.doesNotMatch(text, /goals/);
});

Deno.test("texts stay texts in Markdown: every character of a table's cell is escaped that means something", () => {
  assert.equal(
    escape("a|b <c> *d* _e_ `f` [g](h) ~i~ #j &k"),
    [
      "a\\|b \\<c\\> \\*d\\* \\_e\\_ \\`f\\` \\[g\\](h) \\~i\\~ \\#j \\&k",
    ].join(),
  );
  fc.assert(fc.property(fc.string(), (cell) => {
    const escaped = escape(cell);
    assert.doesNotMatch(escaped, /(^|[^\\])(\\\\)*[|<]/, "no cell ends early, no tag begins");
    assert.doesNotMatch(escaped, /\n/);
  }));
});

Deno.test("the table for terminals has columns that line up, and says what became of each goal", () => {
  const lines = table(keptOf("exits", [exitMeasure(), exitMeasure({ name: "b", goals: [] })]))
    .split("\n");
  const head = lines.findIndex((line) => /denovisor +C +QEMU +by C +by QEMU$/.test(line));
  assert.notEqual(head, -1, lines.join("\n"));
  const [first, second] = [lines[head + 1], lines[head + 2]];
  assert.match(first, /^port write, p50 +µs +9 \(8–10\) +8 +18 \(16–20\) +1.125 \(1–1.25\) +0.5$/);
  assert.equal(first.length, second.length);
  assert.equal(first.length, lines[head].length);
  assert.ok(lines.some((line) => /≤ 1.05 × C +1.125 × C \(1–1.25\) +missed$/.test(line)));
  assert.ok(lines.includes("- Nothing of note."));
});

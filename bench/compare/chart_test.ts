import assert from "node:assert/strict";
import { chart } from "./chart.ts";
import { common, goalsChart } from "./goals_chart.ts";
import { exitMeasure, keptOf } from "./testing/reports.ts";

/** The attributes of elements of a kind, in their order. */
function elements(picture: string, name: string): Record<string, string>[] {
  return [...picture.matchAll(new RegExp(`<${name}((?: [\\w-]+="[^"]*")*)/?>`, "g"))].map((
    [, all],
  ) =>
    Object.fromEntries(
      [...all.matchAll(/ ([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    )
  );
}

Deno.test("bars are as long as medians are great, on a scale of each measure's own", () => {
  const picture = chart(keptOf("exits", [
    exitMeasure(),
    exitMeasure({ name: "far greater", values: { denovisor: [4000], C: [1000] } }),
  ]));
  const widths = elements(picture, "rect").map(({ width }) => Number(width));
  assert.equal(widths.length, 5);
  assert.ok(Math.abs(widths[0] / widths[2] - 9 / 18) < 0.01);
  assert.ok(Math.abs(widths[3] / widths[4] - 4) < 0.01);
  const kinds = elements(picture, "rect").map((rect) => rect.class);
  assert.deepEqual(kinds, ["s0", "s1", "s2", "s0", "s1"], "a side has its colour everywhere");
});

Deno.test("a measure of nothing but zeros has bars that are seen", () => {
  const picture = chart(
    keptOf("idle", [exitMeasure({ values: { denovisor: [0, 0], C: [0, 0] } })]),
  );
  for (const { width } of elements(picture, "rect")) assert.ok(Number(width) > 0);
  assert.doesNotMatch(picture, /NaN|Infinity|undefined/);
});

Deno.test("results are right of the line where their goals are met, and left of it where not", () => {
  const measures = [0.2, 0.99, 1.01, 5].map((value, i) =>
    exitMeasure({ name: `m${i}`, values: { denovisor: [value] }, goals: [{ atMost: 1 }] })
  );
  const picture = goalsChart([keptOf("exits", measures)]);
  const line = Number(/class="goal" d="M([\d.]+)/.exec(picture)![1]);
  const dots = elements(picture, "circle");
  assert.deepEqual(dots.map((dot) => dot.class), ["met", "missed"]);
  assert.ok(Number(dots[0].cx) > line && Number(dots[1].cx) < line);
  const arrows = [...picture.matchAll(/<path class="(met|missed)" d="M([\d.]+)[^"]*L([\d.]+)/g)]
    .map(([, kind, back, tip]) => ({ kind, right: Number(tip) > Number(back), x: Number(tip) }));
  assert.deepEqual(arrows.map(({ kind, right }) => ({ kind, right })), [
    { kind: "met", right: true },
    { kind: "missed", right: false },
  ]);
  assert.ok(arrows[0].x > line && arrows[1].x < line);
  assert.equal(picture.split("≤ 1 µs").length, 2, "results with the same goal share a row");
});

Deno.test("a row is named after what its results have in common", () => {
  assert.deepEqual(common(["port write, p50", "MMIO read, p50"]), ["p50"]);
  assert.deepEqual(common(["reads, 4 KiB, cached", "writes, 4 KiB, cached"]), ["4 KiB, cached"]);
  assert.deepEqual(common(["1 machine, processor time"]), ["1 machine, processor time"]);
  assert.deepEqual(common(["reads", "writes"]), []);
});

Deno.test("goals of nothing, of what wasn't measured, and none at all make a picture without faults", () => {
  const pictures = [
    goalsChart([]),
    goalsChart([keptOf("exits", [
      exitMeasure({ values: { denovisor: [0] }, goals: [{ atMost: 0 }, { atMost: 1 }] }),
      exitMeasure({ name: "b", values: { denovisor: [1] }, goals: [{ by: "QEMU", atMost: 1 }] }),
    ])]),
  ];
  for (const picture of pictures) assert.doesNotMatch(picture, /NaN|Infinity|undefined/);
  assert.equal(elements(pictures[1], "circle").length, 1);
});

Deno.test("charts are the same each time, have colours for dark pages, and escape what they show", () => {
  const nasty = '<&">';
  const kept = keptOf("exits", [exitMeasure({ name: nasty })], {
    subject: { name: "exits", title: nasty, about: "", rig: "direct" },
  });
  for (const draw of [() => chart(kept), () => goalsChart([kept])]) {
    const picture = draw();
    assert.equal(draw(), picture);
    assert.match(picture, /prefers-color-scheme:dark/);
    assert.ok(!picture.includes(nasty));
    const tags = picture.replace(/<style>[^]*<\/style>/, "").replace(/"[^"<>]*"/g, '""');
    assert.doesNotMatch(
      tags.replace(/<\/?\w+( [\w-]+="")*\/?>/g, ""),
      /[<>]|&(?!(amp|[lg]t|quot);)/,
    );
  }
});

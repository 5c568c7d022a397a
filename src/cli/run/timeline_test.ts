import assert from "node:assert/strict";
import fc from "fast-check";
import type { TimelineEntry } from "../../machine/end.ts";
import { timelineLines, timelineSvg, wholeTimeline } from "./timeline.ts";

const RUN: readonly TimelineEntry[] = [
  { step: "process started", at: 0 },
  { step: "runtime ready", at: 8 },
  { step: "isolates <spawned>", at: 25 },
  { step: "vCPU's isolate attached", at: 38.25, from: 18 },
  { step: "guest's end", at: 50 },
];

Deno.test("the timeline's times are aligned", () => {
  assert.deepEqual(
    timelineLines([{ step: "kernel loaded", at: 12.34 }, { step: "started", at: 1234 }]),
    ["     12.3 ms  kernel loaded", "   1234.0 ms  started"],
  );
});

Deno.test("a whole timeline counts from the process's start, whatever each part counts from", () => {
  const past = { began: -8, steps: [{ step: "runtime ready", at: 0 }] };
  const timeline = [{ step: "built", at: 3 }, { step: "attached", at: 4, from: 1 }];
  assert.deepEqual(wholeTimeline(past, 10, { timeline, created: 12, released: 30 }), [
    { step: "process started", at: 0 },
    { step: "runtime ready", at: 8 },
    { step: "command line understood", at: 18 },
    { step: "built", at: 23 },
    { step: "attached", at: 24, from: 21 },
    { step: "machine given back", at: 38 },
  ]);
});

/** The bars of a picture, in its order. */
function bars(svg: string): { kind: string; x: number; width: number }[] {
  const pattern = /<rect class="(\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g;
  return [...svg.matchAll(pattern)].map(([, kind, x, width]) => {
    return { kind, x: Number(x), width: Number(width) };
  });
}

Deno.test("a picture has a bar for each step, from the end of the step before or from where it began", () => {
  const svg = timelineSvg(RUN);
  const [, ready, spawned, attached, end] = bars(svg);
  const close = (a: number, b: number) => assert(Math.abs(a - b) <= 0.2, `${a} is not ${b}`);
  close(ready.x + ready.width, spawned.x);
  close(spawned.x + spawned.width, end.x);
  const millisecond = ready.width / 8;
  close(attached.x, ready.x + 18 * millisecond);
  close(attached.width, 20.25 * millisecond);
  assert.deepEqual([ready.kind, attached.kind], ["step", "other"]);
  assert.match(svg, />38\.3<\/text>/);
  assert.match(svg, /isolates &lt;spawned></);
});

Deno.test("a picture is the same for the same timeline, and knows dark pages", () => {
  assert.equal(timelineSvg(RUN), timelineSvg(structuredClone(RUN)));
  assert.match(timelineSvg(RUN), /prefers-color-scheme:dark/);
});

Deno.test("nothing of a picture lies outside of it, for any timeline", () => {
  const time = fc.double({ min: 0, max: 1e7, noNaN: true });
  fc.assert(fc.property(fc.array(time, { maxLength: 30 }), (times) => {
    const svg = timelineSvg(
      times.sort((a, b) => a - b).map((at, i) => ({ step: `step ${i}`, at })),
    );
    const [, width] = /width="(\d+)"/.exec(svg)!;
    for (const bar of bars(svg)) assert(bar.x >= 0 && bar.x + bar.width <= Number(width) - 40);
    assert(!svg.includes("NaN") && !svg.includes("Infinity"));
    const lines = svg.match(/class="grid" d/g)?.length ?? 0;
    assert(lines >= 2 && lines <= 11, `${lines} lines of the grid`);
  }));
});

/**
 * Where the time of a run went: from the process's start over the machine's life to its end.
 * @module
 */
import type { TimelineEntry } from "../../machine/end.ts";
import type { Past } from "../system.ts";
import type { RunResult } from "./session.ts";

/**
 * The timeline of a whole process: `at` is in milliseconds since it began.
 *
 * @param understood when it was clear what is to be run, as performance.now() tells time
 */
export function wholeTimeline(
  { began, steps }: Past,
  understood: number,
  { timeline, created, released }: Pick<RunResult, "timeline" | "created" | "released">,
): TimelineEntry[] {
  const shifted = (time: number) => time - began;
  return [
    { step: "process started", at: 0 },
    ...steps.map(({ step, at }) => ({ step, at: shifted(at) })),
    { step: "command line understood", at: shifted(understood) },
    ...timeline.map(({ step, at, from }) => ({
      step,
      at: shifted(created + at),
      ...from === undefined ? {} : { from: shifted(created + from) },
    })),
    { step: "machine given back", at: shifted(released) },
  ];
}

/** The steps with the time of each, in lines. */
export function timelineLines(timeline: readonly TimelineEntry[]): string[] {
  return timeline.map(({ step, at }) => `${at.toFixed(1).padStart(9)} ms  ${step}`);
}

const WIDTH = 760;
const LABELS = 200;
/** For the figure behind the longest bar. */
const FIGURES = 70;
const ROW = 22;
const BAR = 12;
const HEAD = 28;
const PADDING = 8;
/** So that a step that took no time is seen. */
const NARROWEST = 1.5;

/**
 * The timeline as a picture: a bar for each step, from the end of the step before, or from where it says that it
 * began; those are another colour, for another thread does them.
 *
 * It has colours of its own for dark pages, and is the same for the same timeline.
 */
export function timelineSvg(timeline: readonly TimelineEntry[]): string {
  const end = Math.max(1, ...timeline.map(({ at }) => at));
  const scale = (WIDTH - LABELS - FIGURES) / end;
  const x = (time: number) => LABELS + time * scale;
  const bottom = HEAD + timeline.length * ROW;
  const grid = ticks(end).flatMap((time) => [
    `<path class="grid" d="M${round(x(time))} ${HEAD - 6}V${bottom}"/>`,
    `<text class="figure" x="${round(x(time))}" y="${
      HEAD - 12
    }" text-anchor="middle">${time} ms</text>`,
  ]);
  let before = 0;
  const rows = timeline.flatMap(({ step, at, from }, index) => {
    const start = from ?? before;
    if (from === undefined) before = at;
    const top = HEAD + index * ROW;
    const width = Math.max(NARROWEST, (at - start) * scale);
    const middle = top + ROW / 2 + 4;
    return [
      `<text x="${LABELS - 10}" y="${middle}" text-anchor="end">${escape(step)}</text>`,
      `<rect class="${from === undefined ? "step" : "other"}" x="${round(x(start))}" ` +
      `y="${top + (ROW - BAR) / 2}" width="${round(width)}" height="${BAR}" rx="2"/>`,
      `<text class="figure" x="${round(x(start) + width + 6)}" y="${middle}">${
        at.toFixed(1)
      }</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + PADDING}" ` +
    `width="${WIDTH}" height="${bottom + PADDING}" role="img" aria-label="Timeline of a run">`,
    "<style>",
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.figure{fill:#59636e;font-size:11px}",
    ".grid{stroke:#d1d9e0}.step{fill:#0969da}.other{fill:#bf8700}",
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.figure{fill:#9198a1}",
    ".grid{stroke:#3d444d}.step{fill:#4493f8}.other{fill:#d29922}}",
    "</style>",
    ...grid,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

/** Round times for a grid of 4 to 10 lines. */
function ticks(end: number): number[] {
  const magnitude = 10 ** Math.floor(Math.log10(end / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((s) => end / s <= 10)!;
  return Array.from(
    { length: Math.floor(end / step) + 1 },
    (_, i) => Number((i * step).toPrecision(6)),
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

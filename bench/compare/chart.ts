/**
 * A chart of one subject: for each measure a bar of each side's median, with a line from its least to its greatest
 * value, on a scale of the measure's own.
 * @module
 */
import { figure, sidesOf, unitText } from "./format.ts";
import type { Kept } from "./record.ts";
import type { Measure } from "./report.ts";
import { spread } from "./statistics.ts";
import { fitted, round, sideClass, svg, text, WIDTH } from "./svg.ts";

const LABELS = 130;
/** For the figure behind the longest bar. */
const FIGURES = 90;
const HEAD = 24;
const ROW = 17;
const BAR = 10;
const GAP = 8;
const PADDING = 8;
/** So that a bar of nothing is seen. */
const NARROWEST = 1.5;

/** Draws a result; the same result gives the same picture. */
export function chart({ subject, report: { measures } }: Kept): string {
  const sides = sidesOf(measures);
  const parts: string[] = [];
  let y = PADDING;
  for (const measure of measures) {
    parts.push(...group(measure, sides, y));
    y += HEAD + Object.keys(measure.values).length * ROW + GAP;
  }
  const label = `${subject.title}: medians of ${sides.join(", ")}`;
  return svg(y - GAP + PADDING, label, parts);
}

function group(measure: Measure, sides: readonly string[], top: number): string[] {
  const rows = Object.entries(measure.values).map(([side, values]) => ({
    side,
    ...spread(values),
  }));
  const most = Math.max(...rows.map(({ max }) => max));
  const scale = most > 0 ? (WIDTH - LABELS - FIGURES) / most : 0;
  const x = (value: number) => LABELS + Math.max(0, value) * scale;
  const title = fitted(`${measure.name} (${unitText(measure)})`, WIDTH - PADDING);
  return [
    text(PADDING, top + 14, title, "head"),
    ...rows.flatMap(({ side, median, min, max }, row) => {
      const center = top + HEAD + row * ROW + ROW / 2;
      const width = Math.max(NARROWEST, x(median) - LABELS);
      return [
        text(LABELS - 8, center + 4, fitted(side, LABELS - 16), "", "end"),
        `<rect class="${sideClass(sides.indexOf(side))}" x="${LABELS}" ` +
        `y="${round(center - BAR / 2)}" width="${round(width)}" height="${BAR}" rx="2"/>`,
        `<path class="range" d="M${round(x(min))} ${round(center)}H${round(x(max))}"/>`,
        text(Math.max(x(max), LABELS + width) + 6, center + 4, figure(median, 4), "figure"),
      ];
    }),
  ];
}

/**
 * What the charts share: their colours, on light pages and on dark ones, and their texts.
 * @module
 */

/** Width of all charts. */
export const WIDTH = 760;

/** Colours of the sides, ours first; on light pages and on dark ones. */
const SIDES = [
  ["#0969da", "#4493f8"],
  ["#818b98", "#9198a1"],
  ["#bf8700", "#d29922"],
  ["#8250df", "#ab7df8"],
  ["#1a7f37", "#3fb950"],
] as const;

/** The class of a side's bars, by its place among the sides. */
export function sideClass(place: number): string {
  return `s${place % SIDES.length}`;
}

/**
 * A picture.
 *
 * @param label what it shows, for who can't see it
 */
export function svg(height: number, label: string, parts: readonly string[]): string {
  const rules = (theme: 0 | 1) => SIDES.map((side, i) => `.s${i}{fill:${side[theme]}}`).join("");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `width="${WIDTH}" height="${height}" role="img" aria-label="${escape(label)}">`,
    "<style>",
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.figure{fill:#59636e;font-size:11px}",
    ".head{font-weight:600}.grid{stroke:#d1d9e0}.goal{stroke:#1f2328}.range{stroke:#1f2328}",
    `.met{fill:#1a7f37}.missed{fill:#cf222e}${rules(0)}`,
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.figure{fill:#9198a1}",
    ".grid{stroke:#3d444d}.goal{stroke:#f0f6fc}.range{stroke:#f0f6fc}",
    `.met{fill:#3fb950}.missed{fill:#f85149}${rules(1)}}`,
    "</style>",
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** A text. @param anchor which of its points is at that place: "middle" or "end"; its start without */
export function text(x: number, y: number, content: string, kind = "", anchor = ""): string {
  const attributes = [
    ...kind === "" ? [] : [` class="${kind}"`],
    ...anchor === "" ? [] : [` text-anchor="${anchor}"`],
  ].join("");
  return `<text${attributes} x="${round(x)}" y="${round(y)}">${escape(content)}</text>`;
}

/** A coordinate with one decimal. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text as XML has it, in elements and in attributes. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** A text that is no wider than about so many pixels; what's too long ends in `…`. */
export function fitted(text: string, width: number): string {
  // An average character of 12 pixels' height.
  const most = Math.floor(width / 6.8);
  return text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;
}

/**
 * Times as people write them.
 * @module
 */

/** A time: milliseconds, or a number with a unit such as `"500ms"`, `"10s"`, `"2m"` or `"1h"`; seconds without one. */
export type Duration = number | string;

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  "": 1000,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest time that a timer takes: its milliseconds are a signed number of 32 bits. */
const LONGEST = 2 ** 31 - 1;

/**
 * A time in milliseconds.
 *
 * @throws {TypeError} for what is no time, with what would be one
 */
export function milliseconds(duration: Duration): number {
  const time = typeof duration === "number" ? duration : parse(duration);
  if (!(time >= 1)) throw new TypeError("A time is at least 1ms.");
  if (time > LONGEST) throw new TypeError("A time is at most 24 days.");
  return time;
}

function parse(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|)$/.exec(text.trim());
  if (match === null) {
    throw new TypeError("A time is a number with a unit, such as 500ms, 30s, 2m or 1h.");
  }
  return Math.round(Number(match[1]) * MILLISECONDS[match[2]]);
}

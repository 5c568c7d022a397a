/**
 * What a comparison says of many measurements.
 * @module
 */

/** The percentiles that are reported, by name. */
export const PERCENTILES = { p50: 0.5, p99: 0.99, "p99.9": 0.999 } as const;

/** The name of a percentile. */
export type PercentileName = keyof typeof PERCENTILES;

/** The names in their order. */
export const PERCENTILE_NAMES = Object.keys(PERCENTILES) as readonly PercentileName[];

/** Percentiles of one round. */
export type Percentiles = Readonly<Record<PercentileName, number>>;

/**
 * The value below which the given part of the samples lies: the nearest rank.
 *
 * @param sorted the samples, ascending, at least one
 * @param part from 0 to 1
 */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const rank = Math.ceil(part * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1];
}

/** The reported percentiles of samples in any order. */
export function percentiles(samples: Uint32Array | Float64Array): Percentiles {
  const sorted = samples.slice().sort();
  return {
    p50: quantile(sorted, PERCENTILES.p50),
    p99: quantile(sorted, PERCENTILES.p99),
    "p99.9": quantile(sorted, PERCENTILES["p99.9"]),
  };
}

/** A value that was measured several times. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The median of several rounds, and how far they lie apart. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const median = Number.isInteger(half)
    ? (sorted[half - 1] + sorted[half]) / 2
    : sorted[Math.floor(half)];
  return { median, min: sorted[0], max: sorted.at(-1)! };
}

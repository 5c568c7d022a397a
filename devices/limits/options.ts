/**
 * Limits as users write them: the properties of a device, and the wish to change them while it runs.
 * @module
 */
import { count, optional, type OptionField, OptionsError, rate, size } from "../options.ts";
import type { BucketOptions } from "./token_bucket.ts";
import type { RateLimits } from "./rate_limiter.ts";

const FIELDS = {
  bandwidth: optional(rate("the most bytes in a second")),
  "bandwidth-burst": optional(
    size("SIZE", "bytes that may pass at once after a rest (a tenth of a second's)"),
  ),
  iops: optional(rate("the most operations in a second")),
  "iops-burst": optional(
    count("N", "operations that may pass at once after a rest (a tenth of a second's)", 1, 2 ** 32),
  ),
} as const;

/** The names of the properties that limit a device. */
export type LimitName = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as LimitName[];

/** The same properties for one of several directions: `rx-bandwidth` and so on. */
export type LimitFields<P extends string> = {
  readonly [N in LimitName as `${P}${N}`]: OptionField<number | undefined>;
};

/** The properties, for a device's table. @param prefix is put before each name: `"rx-"`, or nothing */
export function limitFields<const P extends string>(prefix: P): LimitFields<P> {
  const fields = NAMES.map((name) => [`${prefix}${name}`, FIELDS[name]]);
  // The keys are made of the very names that the type is made of.
  return Object.fromEntries(fields) as LimitFields<P>;
}

/** Limits by the names of their properties; undefined: none. */
export type LimitValues = Readonly<Record<string, unknown>>;

/**
 * The limits of one direction as a {@linkcode RateLimits}.
 *
 * @param prefix of the properties' names
 * @throws {OptionsError} a burst of what isn't limited
 */
export function rateLimits(values: LimitValues, prefix = ""): RateLimits {
  return {
    bytes: bucket(values, `${prefix}bandwidth`),
    operations: bucket(values, `${prefix}iops`),
  };
}

function bucket(values: LimitValues, name: string): BucketOptions | undefined {
  const rate = number(values[name]);
  const burst = number(values[`${name}-burst`]);
  if (rate !== undefined) return { rate, burst };
  if (burst === undefined) return undefined;
  throw new OptionsError([`${name}-burst: it needs a limit that it may exceed; give ${name} too`]);
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/**
 * Other limits out of a wish such as `{ "bandwidth": "50M/s", "iops": null }`: null removes a limit, and its burst
 * with it; what is left out stays.
 *
 * @param prefixes of the properties' names, for each direction that there is
 * @throws {OptionsError} naming each property that's wrong
 */
export function changeLimits(
  values: LimitValues,
  wish: unknown,
  prefixes: readonly string[] = [""],
): Record<string, number | undefined> {
  const names = prefixes.flatMap((prefix) => NAMES.map((name) => [`${prefix}${name}`, name]));
  const known = new Map(names as [string, LimitName][]);
  if (typeof wish !== "object" || wish === null || Array.isArray(wish)) {
    throw new OptionsError([`limits are an object with any of ${[...known.keys()].join(", ")}`]);
  }
  const changed: Record<string, number | undefined> = {};
  for (const name of known.keys()) changed[name] = number(values[name]);
  const problems: string[] = [];
  for (const [name, value] of Object.entries(wish)) {
    const limit = known.get(name);
    if (limit === undefined) {
      problems.push(`${name}: there is no such limit; there are ${[...known.keys()].join(", ")}`);
      continue;
    }
    try {
      changed[name] = value === null ? undefined : FIELDS[limit].read(value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      problems.push(`${name}: ${error.message} (got ${JSON.stringify(value)})`);
    }
    const burst = `${name}-burst`;
    if (value === null && known.has(burst) && !Object.hasOwn(wish, burst)) {
      changed[burst] = undefined;
    }
  }
  if (problems.length > 0) throw new OptionsError(problems);
  for (const prefix of prefixes) rateLimits(changed, prefix);
  return changed;
}

/** Limits as an answer to whoever asks for them: null where there is none. */
export function showLimits(values: LimitValues): Record<string, number | null> {
  const shown = Object.entries(values).map(([name, value]) => [name, number(value) ?? null]);
  return Object.fromEntries(shown);
}

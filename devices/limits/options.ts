/**
 * Limits as users write them: the properties of a device, and the wish to change them while it runs.
 * @module
 */
import { count, optional, type OptionField, OptionsError, rate, size } from "../options.ts";
import type { BucketOptions } from "./token_bucket.ts";
import type { RateLimits } from "./rate_limiter.ts";

/** What users call the operations of a device. */
export type Operations = "iops" | "packets";

/** The names of the properties that limit a device. */
export type LimitName<O extends Operations = Operations> =
  | "bandwidth"
  | "bandwidth-burst"
  | O
  | `${O}-burst`;

/** The properties by their names, without prefixes. */
function fieldsFor(operations: Operations): ReadonlyMap<string, OptionField<number | undefined>> {
  const what = operations === "packets" ? "packets" : "operations";
  const rest = "that may pass at once after a rest (a tenth of a second's)";
  return new Map<string, OptionField<number | undefined>>([
    ["bandwidth", optional(rate("the most bytes in a second"))],
    ["bandwidth-burst", optional(size("SIZE", `bytes ${rest}`))],
    [operations, optional(rate(`the most ${what} in a second`))],
    [`${operations}-burst`, optional(count("N", `${what} ${rest}`, 1, 2 ** 32))],
  ]);
}

/** The same properties for one of several directions: `rx-bandwidth` and so on. */
export type LimitFields<P extends string, O extends Operations = "iops"> = {
  readonly [N in LimitName<O> as `${P}${N}`]: OptionField<number | undefined>;
};

/**
 * The properties, for a device's table.
 *
 * @param prefix is put before each name: `"rx-"`, or nothing
 * @param operations what users call the device's operations; `"iops"` when left out
 */
export function limitFields<const P extends string, const O extends Operations = "iops">(
  prefix: P,
  operations?: O,
): LimitFields<P, O> {
  const fields = [...fieldsFor(operations ?? "iops")].map((
    [name, field],
  ) => [`${prefix}${name}`, field]);
  // The keys are made of the very names that the type is made of.
  return Object.fromEntries(fields) as LimitFields<P, O>;
}

/** Limits by the names of their properties; undefined: none. */
export type LimitValues = Readonly<Record<string, unknown>>;

/**
 * The limits of one direction as a {@linkcode RateLimits}.
 *
 * @param prefix of the properties' names
 * @param operations what users call the device's operations
 * @throws {OptionsError} a burst of what isn't limited
 */
export function rateLimits(
  values: LimitValues,
  prefix = "",
  operations: Operations = "iops",
): RateLimits {
  return {
    bytes: bucket(values, `${prefix}bandwidth`),
    operations: bucket(values, `${prefix}${operations}`),
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
 * @param operations what users call the device's operations
 * @throws {OptionsError} naming each property that's wrong
 */
export function changeLimits(
  values: LimitValues,
  wish: unknown,
  prefixes: readonly string[] = [""],
  operations: Operations = "iops",
): Record<string, number | undefined> {
  const fields = [...fieldsFor(operations)];
  const known = new Map(
    prefixes.flatMap((prefix) =>
      fields.map(([name, field]) => [`${prefix}${name}`, field] as const)
    ),
  );
  if (typeof wish !== "object" || wish === null || Array.isArray(wish)) {
    throw new OptionsError([`limits are an object with any of ${[...known.keys()].join(", ")}`]);
  }
  const changed: Record<string, number | undefined> = {};
  for (const name of known.keys()) changed[name] = number(values[name]);
  const problems: string[] = [];
  for (const [name, value] of Object.entries(wish)) {
    const field = known.get(name);
    if (field === undefined) {
      problems.push(`${name}: there is no such limit; there are ${[...known.keys()].join(", ")}`);
      continue;
    }
    try {
      changed[name] = value === null ? undefined : field.read(value);
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
  for (const prefix of prefixes) rateLimits(changed, prefix, operations);
  return changed;
}

/** Limits as an answer to whoever asks for them: null where there is none. */
export function showLimits(values: LimitValues): Record<string, number | null> {
  const shown = Object.entries(values).map(([name, value]) => [name, number(value) ?? null]);
  return Object.fromEntries(shown);
}

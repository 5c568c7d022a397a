/**
 * Faults as users write them: a list of rules, in a configuration or as the argument of a device's command `faults`,
 * checked against a table as a device's own properties are.
 * @module
 */
import { nearest } from "../nearest.ts";
import {
  count,
  field,
  type FieldValues,
  optional,
  type OptionField,
  type OptionFields,
  OptionsError,
} from "../options.ts";

/** The most rules that a device has at once: each is looked at for every request. */
const MOST_RULES = 64;
/** The longest wait: an hour, in milliseconds. */
const LONGEST_MS = 3_600_000;
const SEED_MAX = 2 ** 32 - 1;

/** How users ask for the faults of one kind of device. */
export interface FaultTable<F extends OptionFields = OptionFields> {
  readonly fields: F;
  /**
   * Checks which properties go together.
   *
   * @throws {TypeError} saying in a sentence what is wrong
   */
  check?(rule: FieldValues<F>): void;
}

/** A table, with its types kept. */
export function defineFaults<const F extends OptionFields>(table: FaultTable<F>): FaultTable<F> {
  return table;
}

/** A number from 0 to 1. */
export function chance(summary: string): OptionField<number> {
  return field("0..1", summary, (given) => {
    if (typeof given === "number" && given >= 0 && given <= 1) return given;
    throw new TypeError("it is a number from 0 (never) to 1 (always)");
  });
}

/** A time in milliseconds; fractions count. */
export function milliseconds(summary: string): OptionField<number> {
  return field("MS", summary, (given) => {
    if (typeof given === "number" && given >= 0 && given <= LONGEST_MS) return given;
    throw new TypeError(`it is a number of milliseconds from 0 to ${LONGEST_MS}`);
  });
}

/** The properties that every rule has. @param what it is about, in the plural */
export function timingFields(what: string): {
  readonly after: OptionField<number | undefined>;
  readonly count: OptionField<number | undefined>;
  readonly seed: OptionField<number | undefined>;
} {
  const most = Number.MAX_SAFE_INTEGER;
  return {
    after: optional(count("N", `how many such ${what} pass before it holds (0)`, 0, most)),
    count: optional(count("N", `for how many ${what} it holds at most (no end)`, 1, most)),
    seed: optional(
      count("N", "which chances it takes; the same seed, the same faults (1)", 0, SEED_MAX),
    ),
  };
}

/**
 * Reads rules.
 *
 * @param given a list of objects, or such a list as JSON
 * @throws {OptionsError} a line for each property that is wrong, with the number of its rule, from 1 on
 */
export function readFaults<F extends OptionFields>(
  table: FaultTable<F>,
  given: unknown,
): readonly FieldValues<F>[] {
  const rules = typeof given === "string" ? parseJson(given) : given;
  if (!Array.isArray(rules)) throw new OptionsError([shapeOf(table)]);
  if (rules.length > MOST_RULES) {
    throw new OptionsError([`there can be ${MOST_RULES} rules, and these are ${rules.length}`]);
  }
  const problems: string[] = [];
  const read = rules.map((rule, index) => {
    return readRule(table, rule, (text) => problems.push(`rule ${index + 1}: ${text}`));
  });
  if (problems.length > 0) throw new OptionsError(problems);
  return read;
}

/** The property of a device with which its faults begin. */
export function faultsField<F extends OptionFields>(
  table: FaultTable<F>,
): OptionField<readonly FieldValues<F>[] | undefined> {
  const summary = "faults to begin with: a list of rules, as JSON on a command line";
  return optional(field("RULES", summary, (given) => {
    try {
      return readFaults(table, given);
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      throw new TypeError(error.problems.join("; "), { cause: error });
    }
  }));
}

function readRule<F extends OptionFields>(
  { fields, check }: FaultTable<F>,
  rule: unknown,
  problem: (text: string) => void,
): FieldValues<F> {
  const values: Record<string, unknown> = {};
  // All keys are the table's, and each value is what its field gives; an optional one is left out.
  const read = values as FieldValues<F>;
  if (typeof rule !== "object" || rule === null || Array.isArray(rule)) {
    problem(`it is an object with any of ${Object.keys(fields).join(", ")}`);
    return read;
  }
  let sound = true;
  const wrong = (text: string) => {
    sound = false;
    problem(text);
  };
  for (const name of Object.keys(rule)) {
    if (!Object.hasOwn(fields, name)) wrong(unknownProperty(name, Object.keys(fields)));
  }
  for (const [name, field] of Object.entries(fields)) {
    const value = (rule as Record<string, unknown>)[name];
    if (value === undefined) {
      if (field.required) wrong(`${name}: it is required`);
      continue;
    }
    try {
      values[name] = field.read(value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      wrong(`${name}: ${error.message} (got ${JSON.stringify(value)})`);
    }
  }
  if (!sound) return read;
  try {
    check?.(read);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    problem(error.message);
  }
  return read;
}

function unknownProperty(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  const hint = near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`;
  return `${name}: there is no such property; ${hint}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const remedy = "on a command line write each comma inside of it twice";
    throw new OptionsError([`rules are a list as JSON, and this is none: ${problem}; ${remedy}`]);
  }
}

function shapeOf({ fields }: FaultTable): string {
  return `faults are a list of rules, empty for none; a rule is an object with any of ` +
    Object.keys(fields).join(", ");
}

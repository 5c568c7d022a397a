/**
 * How users describe a device: one table for each kind, from which the command line's `--disk PATH,KEY=VALUE`, a
 * file's JSON object, the help and the errors are made.
 * @module
 */

/** One property of a device. `T` is what the device is made with. */
export interface OptionField<T> {
  /** What stands for the value in help; undefined for a property that is just named. */
  readonly value?: string;
  /** The only words there are for the value, where they can be listed. */
  readonly choices?: readonly string[];
  /** Whether the value is the name of a file of the host. */
  readonly path?: boolean;
  readonly summary: string;
  /** What holds where it is left out; a property without one and not optional is required. */
  readonly fallback?: T;
  readonly required: boolean;
  /**
   * Checks a value: text from a command line, or text, a number, a boolean from a file.
   *
   * @throws {TypeError} saying in a sentence what the value has to be
   */
  read(value: unknown): T;
}

/** Properties by name, in the order of the help. Names are the same on the command line and in a file. */
export type OptionFields = Readonly<Record<string, OptionField<unknown>>>;

/**
 * How often a machine can have what a table describes: at most once, several devices, or several parts that make
 * up one device.
 */
export type Multiplicity = "one" | "many" | "parts";

/** How users ask for one kind of device. */
export interface DeviceOptions<
  F extends OptionFields = OptionFields,
  M extends Multiplicity = Multiplicity,
  N extends string = string,
> {
  /** The command line's option, without its dashes: `disk`. */
  readonly flag: string;
  /** The field of a configuration file: `disks`. */
  readonly field: N;
  readonly multiplicity: M;
  /** What the device is, for help. */
  readonly summary: string;
  /** The property that the first word of `--disk PATH,...` gives without its name. */
  readonly main?: string;
  readonly fields: F;
  /** Whether there may be properties that the table doesn't know: a device that is the user's own has others. */
  readonly isOpen?: true;
  /**
   * Checks what single properties can't tell: which of them go together.
   *
   * @param values each property by itself is as it should be
   * @throws {TypeError} saying in a sentence what is wrong
   */
  check?(values: FieldValues<F>): void;
}

/** What reading properties gives. */
export type FieldValues<F extends OptionFields> = {
  readonly [K in keyof F]: F[K] extends OptionField<infer T> ? T : never;
};

/** What reading the properties of a table gives. */
export type ValuesOf<O extends DeviceOptions> = FieldValues<O["fields"]>;

/** What a device is made of: one set of properties, or one for each part. */
export type InputOf<O extends DeviceOptions> = O["multiplicity"] extends "parts"
  ? readonly ValuesOf<O>[]
  : ValuesOf<O>;

/** A description that can't be used; `problems` has a line for each property that is wrong. */
export class OptionsError extends Error {
  override readonly name = "OptionsError";

  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/** A table, with its types kept. */
export function defineOptions<
  const F extends OptionFields,
  const M extends Multiplicity,
  const N extends string,
>(options: DeviceOptions<F, M, N>): DeviceOptions<F, M, N> {
  return options;
}

/** Makes a property optional: `undefined` where it is left out. */
export function optional<T>(field: OptionField<T>): OptionField<T | undefined> {
  return { ...field, required: false };
}

/** Gives a property a value for where it is left out. */
export function withDefault<T>(field: OptionField<T>, fallback: T): OptionField<T> {
  return { ...field, required: false, fallback };
}

/** A property with a value. @param read throws a TypeError that says what the value has to be */
export function field<T>(
  value: string,
  summary: string,
  read: (value: unknown) => T,
): OptionField<T> {
  return { value, summary, required: true, read };
}

/** A property that is just named on the command line, and true or false in a file; false where it is left out. */
export function flag(summary: string): OptionField<boolean> {
  return {
    summary,
    required: false,
    fallback: false,
    read(value) {
      if (value === true || value === "on" || value === "true") return true;
      if (value === false || value === "off" || value === "false") return false;
      throw new TypeError("it is on or off");
    },
  };
}

/** Text that is not empty. */
export function text(value: string, summary: string): OptionField<string> {
  return field(value, summary, (given) => {
    if (typeof given === "string" && given !== "" && !given.includes("\0")) return given;
    throw new TypeError("it is text, and not empty");
  });
}

/** The name of a file of the host. */
export function path(value: string, summary: string): OptionField<string> {
  return { ...text(value, summary), path: true };
}

/** A whole number. */
export function count(
  value: string,
  summary: string,
  least: number,
  most: number,
): OptionField<number> {
  return field(value, summary, (given) => {
    const number = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
    if (typeof number === "number" && Number.isSafeInteger(number)) {
      if (number >= least && number <= most) return number;
    }
    throw new TypeError(`it is a whole number from ${least} to ${most}`);
  });
}

/** One of a few words. */
export function oneOf<const C extends string>(
  summary: string,
  choices: readonly C[],
): OptionField<C> {
  const read = (given: unknown) => {
    const found = choices.find((choice) => choice === given);
    if (found !== undefined) return found;
    throw new TypeError(`it is one of ${choices.join(", ")}`);
  };
  return { ...field(choices.join("|"), summary, read), choices };
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** A number of bytes such as `64M`, in powers of 1024; undefined for text that is none. */
function bytesOf(given: unknown): number | undefined {
  if (typeof given === "number") return given;
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(String(given).trim());
  return match === null ? undefined : Number(match[1]) * UNITS[match[2].toUpperCase()];
}

/** A number of bytes such as `64M`, at least `least`. */
export function size(value: string, summary: string, least = 1): OptionField<number> {
  return field(value, summary, (given) => {
    const bytes = bytesOf(given);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= least) return bytes;
    throw new TypeError(`it is a size of at least ${least} bytes, such as 64M or 2G`);
  });
}

/** A rate such as `50M/s` or `1000/s`; the unit of time may be left out. Gives units a second. */
export function rate(summary: string): OptionField<number> {
  return field("RATE", summary, (given) => {
    const perSecond = typeof given === "string"
      ? bytesOf(given.trim().replace(/(?:\/s|ps)$/i, ""))
      : bytesOf(given);
    if (perSecond !== undefined && Number.isFinite(perSecond) && perSecond > 0) return perSecond;
    throw new TypeError("it is an amount for each second, such as 50M/s or 1000");
  });
}

/**
 * From what a user wrote to the properties of a device: `"root.img,ro,iops=1000"` or
 * `{ "path": "root.img", "ro": true, "iops": 1000 }`, with an error for everything that's wrong.
 * @module
 */
import {
  type DeviceOptions,
  field,
  flag,
  oneOf,
  type OptionField,
  type OptionFields,
} from "./options.ts";
import { optional, OptionsError, withDefault } from "./options.ts";
import { nearest } from "./nearest.ts";

/** The properties that every device has. */
export const COMMON_FIELDS = {
  id: optional(field("NAME", "the device's name, for commands and metrics", (given) => {
    if (typeof given === "string" && /^[A-Za-z0-9][\w.-]{0,31}$/.test(given)) return given;
    throw new TypeError("it is 1 to 32 letters, digits, dots, dashes and underscores");
  })),
  thread: withDefault(
    oneOf("the thread that serves it: one for all such devices, or its own", ["shared", "own"]),
    "shared",
  ),
  packed: flag("offer virtqueues with the packed layout"),
} as const;

/** One device, or one part of one, as its user wants it. */
export interface DeviceInput {
  readonly id: string | undefined;
  readonly thread: "shared" | "own";
  readonly packed: boolean;
  /** The properties of its kind's table. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads one device.
 *
 * @param input text as on a command line, or an object
 * @throws {OptionsError} a line for each property that's wrong
 */
export function readDevice(options: DeviceOptions, input: unknown): DeviceInput {
  const given = typeof input === "string" ? splitText(options, input) : input;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new OptionsError([`it is text such as "${usage(options)}", or an object`]);
  }
  const fields: OptionFields = { ...options.fields, ...COMMON_FIELDS };
  const problems: string[] = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(fields, name)) problems.push(unknownProperty(name, fields));
  }
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = (given as Record<string, unknown>)[name];
    try {
      values[name] = readField(field, value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const got = value === undefined ? "" : ` (got ${JSON.stringify(value)})`;
      problems.push(`${name}: ${error.message}${got}`);
    }
  }
  if (problems.length > 0) throw new OptionsError(problems);
  const { id, thread, packed, ...own } = values;
  try {
    options.check?.(own);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new OptionsError([error.message]);
  }
  return {
    id: id as string | undefined,
    thread: thread as "shared" | "own",
    packed: packed as boolean,
    values: own,
  };
}

function readField(field: OptionField<unknown>, value: unknown): unknown {
  if (value !== undefined) return field.read(value);
  if (field.required) throw new TypeError("it is required");
  return field.fallback;
}

function unknownProperty(name: string, fields: OptionFields): string {
  const names = Object.keys(fields);
  const near = nearest(name, names);
  const hint = near === undefined
    ? `the properties are ${names.join(", ")}`
    : `did you mean ${near}?`;
  return `${name}: there is no such property; ${hint}`;
}

/**
 * `PATH,KEY=VALUE,FLAG` as an object. A comma inside a value is written twice.
 *
 * @throws {OptionsError} for a property that is given twice
 */
export function splitText(options: DeviceOptions, text: string): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const problems: string[] = [];
  const words = text === "" ? [] : text.split(/(?<!,),(?!,)/);
  for (const [index, word] of words.map((word) => word.replaceAll(",,", ",")).entries()) {
    const equals = word.indexOf("=");
    const key = equals === -1 ? word : word.slice(0, equals);
    const isProperty = Object.hasOwn(options.fields, key) || Object.hasOwn(COMMON_FIELDS, key);
    let [name, value]: [string, unknown] = [key, equals === -1 ? true : word.slice(equals + 1)];
    // The first word is the main property where it's no other's name: paths may contain "=".
    if (index === 0 && options.main !== undefined && !isProperty) {
      if (equals === -1 || !/^\w[\w-]*$/.test(key)) [name, value] = [options.main, word];
    }
    if (Object.hasOwn(given, name)) problems.push(`${name}: it is given twice`);
    given[name] = value;
  }
  if (problems.length > 0) throw new OptionsError(problems);
  return given;
}

/** The shape of a device's text, for help: `PATH[,KEY=VALUE...]`. */
export function usage(options: DeviceOptions): string {
  const { main, fields } = options;
  const properties = "KEY[=VALUE],...";
  if (main === undefined) return properties;
  const value = fields[main].value ?? main;
  return Object.keys(fields).length === 1 && options.isOpen !== true
    ? value
    : `${value}[,${properties}]`;
}

/** The properties of a table, a line each, for help. */
export function describeFields(fields: OptionFields): { name: string; summary: string }[] {
  return Object.entries(fields).map(([name, { value, summary, fallback }]) => {
    const shown = value === undefined ? name : `${name}=${value}`;
    const shownFallback = fallback === true ? "on" : String(fallback);
    const otherwise = fallback === undefined || fallback === false ? "" : ` (${shownFallback})`;
    return { name: shown, summary: `${summary}${otherwise}` };
  });
}

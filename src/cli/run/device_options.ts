/**
 * The options of `denovisor run` that ask for devices, and their help: made from the tables of the devices, none of
 * which is named here.
 * @module
 */
import {
  COMMON_FIELDS,
  describeFields,
  type DeviceOptions,
  deviceTables,
  type OptionFields,
  usage,
} from "../../machine/device_tables.ts";
import { list, type OptionTable, type ValueSpec, words } from "../verb.ts";
import type { Candidate, HelpSection, Place, Shape } from "../verb.ts";

/** An option's name in code: `console-port` is `consolePort`. */
export function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const text = (given: string) => given;

function optionOf(options: DeviceOptions): OptionTable[string] {
  const { multiplicity, summary } = options;
  const [value, shape] = [usage(options), shapeOf(options)];
  if (multiplicity !== "one") return list(value, text, `${summary}; may be repeated`, shape);
  const required = Object.values(options.fields).some((field) => field.required);
  const spec: ValueSpec<string> = { kind: "value", value, summary, parse: text, shape };
  return required ? spec : { ...spec, bare: true };
}

/** What may be typed for a device: its main property without a name, and any property. */
function shapeOf({ main, fields }: DeviceOptions): Shape {
  const properties = Object.entries({ ...fields, ...COMMON_FIELDS });
  const candidates = properties.map(([name, field]) => candidate(name, field));
  const first = main === undefined ? {} : placeOf(fields[main]);
  return {
    first: { ...first, words: [...(first.words ?? []), ...candidates] },
    next: { words: candidates },
  };
}

/** A property with a value is offered as `cache=`, one without as `ro`; what holds anyway, with how it is undone. */
function candidate(name: string, field: OptionFields[string]): Candidate {
  const { value, summary, fallback } = field;
  if (value !== undefined) return { word: `${name}=`, summary, then: placeOf(field) };
  if (fallback === true) return { word: `${name}=`, summary, then: words(["on", "off"]) };
  return { word: name, summary };
}

function placeOf({ choices, path }: OptionFields[string]): Place {
  if (choices !== undefined) return words(choices);
  return path === true ? { path: "file" } : {};
}

/** The options, by their names in code. */
export const deviceOptions: OptionTable = Object.fromEntries(
  deviceTables.map((options) => [camel(options.flag), optionOf(options)]),
);

/** What can be said of each device, for help. */
export const deviceSections: readonly HelpSection[] = [
  ...deviceTables.map(({ flag, fields }) => section(`Properties of --${flag}:`, fields)),
  section("Properties of every device:", COMMON_FIELDS),
];

function section(title: string, table: OptionFields): HelpSection {
  const rows = describeFields(table).map(({ name, summary }) => [name, summary] as const);
  return { title, chapter: "DEVICES", rows, lines: [] };
}

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
} from "../../machine/mod.ts";
import { list, type OptionTable, type ValueSpec } from "../verb.ts";
import type { HelpSection } from "../verb.ts";

/** An option's name in code: `console-port` is `consolePort`. */
export function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const text = (given: string) => given;

function optionOf(options: DeviceOptions): OptionTable[string] {
  const { multiplicity, summary } = options;
  if (multiplicity !== "one") return list(usage(options), text, `${summary}; may be repeated`);
  const required = Object.values(options.fields).some((field) => field.required);
  const spec: ValueSpec<string> = { kind: "value", value: usage(options), summary, parse: text };
  return required ? spec : { ...spec, bare: true };
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
  const fields = describeFields(table);
  const width = Math.max(...fields.map(({ name }) => name.length));
  return { title, lines: fields.map(({ name, summary }) => `${name.padEnd(width)}  ${summary}`) };
}

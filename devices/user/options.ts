/**
 * How users ask for a device of their own: `./dice.ts,sides=6`, or
 * `{ "module": "./dice.ts", "options": { "sides": 6 } }`.
 *
 * What else may stand there is known by the module alone, and is checked when that is imported.
 * @module
 */
import { defineOptions, OptionsError, path } from "../options.ts";
import { COMMON_FIELDS, type DeviceInput, readDevice, splitText } from "../read_options.ts";

/** The table by which users ask for devices of their own. */
export const USER_DEVICE = defineOptions({
  flag: "device",
  field: "devices",
  multiplicity: "many",
  summary: "a device of your own: the file that it is written in, then its own properties",
  main: "module",
  fields: {
    module: path("FILE", "a file in TypeScript or JavaScript whose default export is the device"),
  },
  isOpen: true,
});

/** What a user may write for a device of their own. */
export type UserDeviceText =
  | string
  | {
    /** The file: its path, or its URL as `import.meta.resolve("./dice.ts")` gives it. */
    readonly module: string;
    /** The device's own properties. */
    readonly options?: Readonly<Record<string, unknown>>;
    /** Its name; the file's without its ending, and a number, where left out. */
    readonly id?: string;
    /** Of a virtio device: the thread that serves it. */
    readonly thread?: "shared" | "own";
    /** Of a virtio device: whether it offers packed virtqueues. */
    readonly packed?: boolean;
  };

/** A device that was asked for; its own properties are not checked yet. */
export interface UserDeviceInput extends Omit<DeviceInput, "values"> {
  /** The file as its user has written it, for messages. */
  readonly shown: string;
  /** The URL of the file. */
  readonly url: string;
  /** The device's own properties. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Reads what a user has written for a device of their own.
 *
 * @throws {OptionsError} a line for each property that's wrong
 */
export function readUserDevice(input: unknown): UserDeviceInput {
  const [common, options] = typeof input === "string" ? ofText(input) : ofObject(input);
  const { values, ...rest } = readDevice(USER_DEVICE, common);
  const shown = String(values.module);
  return { ...rest, shown, url: urlOf(shown), options };
}

type Split = [common: unknown, options: Readonly<Record<string, unknown>>];

function ofText(text: string): Split {
  const given = Object.entries(splitText(USER_DEVICE, text));
  const isCommon = ([name]: [string, unknown]) =>
    name === "module" || Object.hasOwn(COMMON_FIELDS, name);
  const own = given.filter((entry) => !isCommon(entry));
  return [Object.fromEntries(given.filter(isCommon)), Object.fromEntries(own)];
}

function ofObject(input: unknown): Split {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return [input, {}];
  const { options = {}, ...common } = input as { options?: unknown };
  if (typeof options === "object" && options !== null && !Array.isArray(options)) {
    return [common, options as Record<string, unknown>];
  }
  throw new OptionsError(["options: it is an object with the device's own properties"]);
}

/** The URL of a file. @throws {OptionsError} for a URL of anything else */
function urlOf(module: string): string {
  if (/^file:/i.test(module)) return new URL(module).href;
  if (/^[a-z][a-z0-9+.-]+:/i.test(module)) {
    throw new OptionsError([`module: it is a file (got ${JSON.stringify(module)})`]);
  }
  const folder = module.startsWith("/") ? "" : `${Deno.cwd()}/`;
  const path = `${folder}${module}`.split("/").map(encodeURIComponent).join("/");
  return new URL(`file:///${path.replace(/^\/+/, "")}`).href;
}

/**
 * From the options and the file of `denovisor run` to a machine's configuration.
 * @module
 */
import { type CheckedConfig, ConfigError, deviceTables, parseConfig } from "../../machine/mod.ts";
import { builtInGuest, KERNEL_FIELDS } from "../../machine/built_in_guest.ts";
import { UsageError } from "../errors.ts";
import { kebab } from "../names.ts";
import { camel } from "./device_options.ts";
import { defined, plainFields, unlessEmpty } from "./fields.ts";
import type { RunOptions } from "./options.ts";

/** What a machine is asked to be. */
export interface Asked {
  /** The fields of its configuration, not checked. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where they come from. */
  readonly places: Places;
}

/**
 * What the options ask for, over what the file asks for.
 *
 * @throws {UsageError} a file that can't be read, or isn't what it has to be
 */
export function ask(kernel: string | undefined, options: RunOptions): Asked {
  const file = options.config === undefined ? {} : readFile(options.config);
  const typed = typedFields(kernel, options);
  const merged: Record<string, unknown> = { ...file };
  for (const [field, value] of Object.entries(typed)) {
    const filed = file[field];
    // A device that's typed comes after those of the file.
    merged[field] = Array.isArray(value) && Array.isArray(filed) ? [...filed, ...value] : value;
  }
  return { fields: merged, places: new Places(file, typed, options.config) };
}

/**
 * The configuration that is asked for; where no kernel is named, the built-in guest's.
 *
 * @throws {UsageError} naming each thing that is wrong
 */
export function configurationOf({ fields, places }: Asked): CheckedConfig {
  if (fields.kernel === undefined) refuseWithoutKernel(fields, places);
  try {
    return fields.kernel === undefined ? builtInGuest(fields) : parseConfig(fields);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((problem) =>
      problem.replace(/^[\w.]+/, (field) => places.name(field))
    );
    throw new UsageError(problems.join("\n"), { cause: error });
  }
}

/** Refuses what the built-in guest can't be run with. @throws {UsageError} */
function refuseWithoutKernel(merged: Readonly<Record<string, unknown>>, places: Places): void {
  const fields = KERNEL_FIELDS.filter((field) => merged[field] !== undefined)
    .flatMap((field) => field === "flat" ? partsOf(field, merged[field]) : [field]);
  const problems = fields.map((field) =>
    `${places.name(field)}: it is about a kernel, and none is given`
  );
  if (merged.console === "virtio") {
    problems.push(`${places.name("console")}: the built-in guest's console is the serial port`);
  }
  if (problems.length === 0) return;
  throw new UsageError(
    [
      ...problems,
      "Without KERNEL, the kernel's file, run boots the built-in guest.",
      "Try: denovisor help run",
    ].join("\n"),
  );
}

/** The fields of a field: `flat.mode`. */
function partsOf(field: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [field];
  return Object.keys(value).map((part) => `${field}.${part}`);
}

/** The fields that the options give. */
function typedFields(kernel: string | undefined, options: RunOptions): Record<string, unknown> {
  const given: Readonly<Record<string, unknown>> = { ...options };
  const devices = deviceTables.map(({ flag, field }) => {
    return [field, unlessEmpty(given[camel(flag)])] as const;
  });
  return { ...plainFields(kernel, options), ...defined(Object.fromEntries(devices)) };
}

function readFile(path: string): Record<string, unknown> {
  const problem = (text: string, cause?: unknown) =>
    new UsageError(`--config: ${path}: ${text}`, { cause });
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (cause) {
    throw problem(cause instanceof Error ? cause.message : String(cause), cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem(`it is not JSON: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw problem("it is not a JSON object with the machine's fields");
}

/** Where each field of a configuration came from, for messages. */
export class Places {
  constructor(
    private readonly file: Readonly<Record<string, unknown>>,
    private readonly typed: Readonly<Record<string, unknown>>,
    private readonly path: string | undefined,
  ) {}

  /** A field's place as the user knows it: `flat.address` is `--flat-address`, `disks.0` may be `--disk`. */
  name(field: string): string {
    const [top, index] = field.split(".");
    const filed = this.file[top];
    const isFiled = Array.isArray(filed) && Array.isArray(this.typed[top])
      ? Number(index) < filed.length
      : filed !== undefined && this.typed[top] === undefined;
    if (this.path !== undefined && isFiled) return `${this.path}: ${field}`;
    if (field === "kernel") return "KERNEL";
    if (top === "modules") return "--module";
    const table = deviceTables.find((options) => options.field === top);
    return table === undefined ? `--${kebab(field).replace(".", "-")}` : `--${table.flag}`;
  }
}

/**
 * What a machine is made of, as its user writes it, and the checks that make it safe to build.
 *
 * The schema and the tables of the devices are the one place that knows the fields, their defaults and their bounds;
 * the command line, a JSON file and the API all come through {@linkcode parseConfig}.
 * @module
 */
import * as v from "valibot";
import { type DeviceFields, nearest, type UserDeviceText } from "../../devices/mod.ts";
import { ConfigError } from "./config_error.ts";
import { DEVICE_FIELDS, parseDevices } from "./device_config.ts";
import { checked, type CheckedConfig, checkFields, isChecked, Schema } from "./schema.ts";
import { parseUserDevices } from "./user_devices.ts";

export { ConfigError };
export { type CheckedConfig, MAX_CPUS, MIN_MEMORY, parseSize, PROTOCOLS } from "./schema.ts";

/** What a user may write: only `kernel` is required, the path of a file or its bytes with a name for messages. */
export type MachineConfig = v.InferInput<typeof Schema> & DeviceFields & {
  /** Devices that the user has written, each in a module of its own. */
  readonly devices?: readonly UserDeviceText[];
};

/** The names of the fields, for suggestions when one is misspelt. */
export const CONFIG_FIELDS: readonly string[] = [...Object.keys(Schema.entries), ...DEVICE_FIELDS];

/**
 * Checks a configuration and fills in what it leaves out.
 *
 * @throws {ConfigError} naming every field that is wrong, not only the first
 */
export function parseConfig(input: unknown): CheckedConfig {
  if (isChecked(input)) return input;
  const { devices: deviceFields, rest } = split(input);
  const result = checkFields(rest);
  const problems = result.success ? [] : result.issues.map((issue) => {
    const field = v.getDotPath(issue) ?? "configuration";
    if (issue.type === "strict_object") {
      return issue.expected === "never" ? unknownField(field) : `${field}: it is required`;
    }
    return `${field}: ${issue.message} (got ${JSON.stringify(issue.input) ?? "nothing"})`;
  });
  const isVirtioConsole = result.success && result.output.console === "virtio";
  const problem = (field: string, text: string) => void problems.push(`${field}: ${text}`);
  const userDevices = parseUserDevices(deviceFields.devices, problem);
  const devices = parseDevices(deviceFields, isVirtioConsole, userDevices, problem);
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return checked({ ...result.output, devices, userDevices });
}

/** The fields that ask for devices, apart from all others. */
function split(input: unknown): { devices: Record<string, unknown>; rest: unknown } {
  const devices: Record<string, unknown> = {};
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return { devices, rest: input };
  }
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    (DEVICE_FIELDS.includes(name) ? devices : rest)[name] = value;
  }
  return { devices, rest };
}

function unknownField(field: string): string {
  const near = nearest(field, CONFIG_FIELDS);
  const hint = near === undefined
    ? `the fields are ${CONFIG_FIELDS.join(", ")}`
    : `did you mean ${near}?`;
  return `${field}: there is no such field; ${hint}`;
}

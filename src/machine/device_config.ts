/**
 * The devices of a machine, as its user writes them: the fields are those of the registry's tables, and nothing
 * here knows one by name.
 * @module
 */
import {
  type DeviceOptions,
  OptionsError,
  readDevice,
  USER_DEVICE,
  virtioModules,
} from "../../devices/mod.ts";

/** One device that was asked for, with its properties checked. */
export interface DeviceConfig {
  readonly kind: string;
  /** Unlike every other device's of the machine. */
  readonly id: string;
  /** Whether a thread of its own serves it, or the one that serves all others. */
  readonly thread: "shared" | "own";
  /** Whether packed virtqueues are offered. */
  readonly packed: boolean;
  /** What its module makes it of. */
  readonly input: unknown;
}

/** The tables of the devices that users can ask for. */
export const deviceTables: readonly DeviceOptions[] = [
  ...virtioModules.map(({ options }) => options),
  USER_DEVICE,
];

/** The fields of a configuration that ask for devices. */
export const DEVICE_FIELDS: readonly string[] = deviceTables.map(({ field }) => field);

/**
 * Reads the devices out of a configuration.
 *
 * @param fields the configuration's fields that are in {@linkcode DEVICE_FIELDS}
 * @param console whether a virtio device is to carry the machine's console
 * @param others devices with names of their own
 * @param problem is told of everything that's wrong, with the field it's in
 */
export function parseDevices(
  fields: Readonly<Record<string, unknown>>,
  console: boolean,
  others: readonly { readonly id: string }[],
  problem: (field: string, text: string) => void,
): DeviceConfig[] {
  const devices: DeviceConfig[] = [];
  for (const { kind, options, consolePart } of virtioModules) {
    const given = listed(options, fields[options.field], problem);
    const read = given.flatMap((input, index) => {
      try {
        return [readDevice(options, input)];
      } catch (error) {
        if (!(error instanceof OptionsError)) throw error;
        const place = options.multiplicity === "one" ? options.field : `${options.field}.${index}`;
        for (const line of error.problems) problem(place, line);
        return [];
      }
    });
    if (console && consolePart !== undefined) {
      const shared = { thread: "shared", packed: false } as const;
      devices.push({ kind, id: "console", ...shared, input: [consolePart] });
    }
    if (options.multiplicity === "parts") {
      const parts = read.map(({ values }) => values);
      if (parts.length === 0) continue;
      const named = read.find(({ id }) => id !== undefined);
      const thread = read.some(({ thread }) => thread === "own") ? "own" : "shared";
      const packed = read.some(({ packed }) => packed);
      devices.push({ kind, id: named?.id ?? options.flag, thread, packed, input: parts });
      continue;
    }
    for (const [index, { id, thread, packed, values }] of read.entries()) {
      const byDefault = options.multiplicity === "one" ? options.flag : `${options.flag}${index}`;
      devices.push({ kind, id: id ?? byDefault, thread, packed, input: values });
    }
  }
  const all = [...devices, ...others];
  for (const [index, { id }] of all.entries()) {
    if (all.findIndex((other) => other.id === id) < index) {
      problem("id", `two devices are named ${id}; give one of them another id`);
    }
  }
  return devices;
}

/** What a field holds, as a list: of one where there can be one, `true` for a device without properties. */
function listed(
  { multiplicity, field }: DeviceOptions,
  value: unknown,
  problem: (field: string, text: string) => void,
): unknown[] {
  if (value === undefined || value === false) return [];
  if (multiplicity !== "one") {
    if (Array.isArray(value)) return value;
    problem(field, "it is a list");
    return [];
  }
  return [value === true ? {} : value];
}

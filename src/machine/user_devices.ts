/**
 * The devices that a machine's user has written: their modules are imported and their properties checked before
 * anything of the machine is made.
 * @module
 */
import {
  OptionsError,
  type PlacedRange,
  readDevice,
  readUserDevice,
  type UserDevice,
  type UserDeviceInput,
  UserModuleError,
  UserModules,
} from "../../devices/mod.ts";
import { ConfigError } from "./config_error.ts";
import type { DeviceConfig } from "./device_config.ts";

/** A device of the user's that was asked for. Its module is not imported yet. */
export interface UserDeviceConfig extends UserDeviceInput {
  readonly id: string;
  /** Its place in the configuration, for messages: `devices.0`. */
  readonly place: string;
}

/** The same once its module is there and its properties are checked. */
interface Checked {
  readonly config: UserDeviceConfig;
  readonly device: UserDevice;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A bus device, ready to be placed. */
export interface LoadedBusDevice extends Checked {
  readonly device: UserDevice & { readonly kind: "bus" };
}

/** The user's devices, ready to be made. */
export interface LoadedUserDevices {
  readonly modules: UserModules;
  /** Of the modules, for other isolates. */
  readonly urls: readonly string[];
  readonly bus: readonly LoadedBusDevice[];
  readonly virtio: readonly DeviceConfig[];
}

/** Where a bus device of the user's is. */
export interface BusDeviceInfo {
  /** Its name, unlike every other's. */
  readonly id: string;
  /** The URL of its module. */
  readonly module: string;
  readonly ranges: readonly PlacedRange[];
  /** The global system interrupt that it raises; undefined for a device without. */
  readonly interrupt: number | undefined;
  /** Its state by the names of its fields, as it is now. */
  readonly state: Readonly<Record<string, number | readonly number[]>>;
}

/**
 * Reads the field `devices` of a configuration.
 *
 * @param problem is told of everything that's wrong, with the field it's in
 */
export function parseUserDevices(
  field: unknown,
  problem: (field: string, text: string) => void,
): UserDeviceConfig[] {
  if (field === undefined) return [];
  if (!Array.isArray(field)) {
    problem("devices", "it is a list");
    return [];
  }
  const counts = new Map<string, number>();
  return field.flatMap((input, index) => {
    const place = `devices.${index}`;
    try {
      const read = readUserDevice(input);
      const name = nameOf(read.url);
      const count = counts.get(name) ?? 0;
      if (read.id === undefined) counts.set(name, count + 1);
      // `rot13-0`, but `dice0`.
      const byDefault = /\d$/.test(name) ? `${name}-${count}` : `${name}${count}`;
      return [{ ...read, id: read.id ?? byDefault, place }];
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      for (const line of error.problems) problem(place, line);
      return [];
    }
  });
}

/** A file's name as a device's, without its ending. */
function nameOf(url: string): string {
  const file = url.slice(url.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
  return file.replaceAll(/[^\w-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 24) || "device";
}

/**
 * Imports the modules of devices and checks what was asked of them.
 *
 * @throws {ConfigError} naming each device that can't be, with its module
 * @throws the signal's reason
 */
export async function loadUserDevices(
  configs: readonly UserDeviceConfig[],
  signal: AbortSignal | undefined,
): Promise<LoadedUserDevices> {
  const urls = [...new Set(configs.map(({ url }) => url))];
  const modules = await orAborted(importAll(configs, urls), signal);
  const problems: string[] = [];
  const checked = configs.flatMap((config): Checked[] => {
    const device = modules.get(config.url);
    const result = readValues(config, device);
    if (!Array.isArray(result)) return [{ config, device, values: result }];
    problems.push(...result.map((line) => `${config.place}: ${config.shown}: ${line}`));
    return [];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    modules,
    urls,
    bus: checked.filter((one) => isBus(one)),
    virtio: checked.filter(({ device }) => device.kind === "virtio")
      .map(({ config: { url, id, thread, packed }, values }) => {
        return { kind: url, id, thread, packed, input: values };
      }),
  };
}

function isBus(checked: Checked): checked is LoadedBusDevice {
  return checked.device.kind === "bus";
}

async function importAll(
  configs: readonly UserDeviceConfig[],
  urls: readonly string[],
): Promise<UserModules> {
  try {
    return await UserModules.import(urls);
  } catch (error) {
    if (!(error instanceof UserModuleError)) throw error;
    const config = configs.find(({ url }) => url === error.module);
    throw new ConfigError([`${config?.place ?? "devices"}: ${error.message}`], { cause: error });
  }
}

/** Gives a promise up when a signal aborts. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  // It may fail after it was given up.
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A device's own properties; or what's wrong with them, a line each. */
function readValues(
  { options, thread, packed }: UserDeviceConfig,
  { kind, definition }: UserDevice,
): Readonly<Record<string, unknown>> | string[] {
  const problems: string[] = [];
  if (kind === "bus" && thread === "own") problems.push("thread: a bus device is served by vCPUs");
  if (kind === "bus" && packed) problems.push("packed: a bus device has no virtqueues");
  const table = {
    flag: "device",
    field: "devices",
    multiplicity: "many",
    summary: "",
    fields: definition.options ?? {},
  } as const;
  try {
    const { values } = readDevice(table, options);
    // They are posted to other isolates.
    return problems.length > 0 ? problems : structuredClone(values);
  } catch (error) {
    if (error instanceof OptionsError) return [...problems, ...error.problems];
    if (error instanceof DOMException) {
      return [...problems, `what its options give can't be posted to a Worker: ${error.message}`];
    }
    throw error;
  }
}

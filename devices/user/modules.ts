/**
 * The modules of the user's own devices, as one isolate has imported them.
 *
 * Each isolate that attaches such a device, or opens one, imports its module for itself: before the guest runs, and
 * only where a machine has such devices.
 * @module
 */
import type { OptionFields } from "../options.ts";
import { COMMON_FIELDS } from "../read_options.ts";
import type { VirtioModule } from "../virtio/module.ts";
import { userVirtio, type VirtioDeviceDefinition } from "./virtio_device.ts";
import type { BusDeviceDefinition } from "./bus_device.ts";
import { lineOf, UserModuleError } from "./errors.ts";
import { shareKit } from "./kit.ts";
import { checkStateFields } from "./state.ts";

/** What a user's module holds. */
export type UserDevice =
  | { readonly kind: "bus"; readonly definition: BusDeviceDefinition }
  | {
    readonly kind: "virtio";
    readonly definition: VirtioDeviceDefinition;
    readonly module: VirtioModule;
  };

/** EISA's ids and ACPI's (ACPI 6.5, 6.1.5). */
const ACPI_ID = /^(?:[A-Z]{3}|[A-Z0-9]{4})[0-9A-F]{4}$/;

/** How long a module may take until it is imported: one that awaits what never comes is given up. */
const PATIENCE_MS = 30_000;

/** Modules that were imported, by their URLs. */
export class UserModules {
  readonly #devices: ReadonlyMap<string, UserDevice>;

  /** For tests: devices that are there already. */
  constructor(devices: ReadonlyMap<string, UserDevice>) {
    this.#devices = devices;
  }

  /**
   * Imports modules.
   *
   * @param urls of files
   * @param patience milliseconds that each may take
   * @throws {UserModuleError} the first that can't be imported, or holds no device
   */
  static async import(
    urls: readonly string[],
    patience: number = PATIENCE_MS,
  ): Promise<UserModules> {
    shareKit();
    const unique = [...new Set(urls)];
    const devices = await Promise.all(
      unique.map(async (url) => [url, userDevice(url, await importModule(url, patience))] as const),
    );
    return new UserModules(new Map(devices));
  }

  /** @throws {UserModuleError} for a module that was not imported */
  get(url: string): UserDevice {
    const device = this.#devices.get(url);
    if (device === undefined) throw new UserModuleError(url, "it was not imported here");
    return device;
  }

  /** The bus device of a module; undefined where it holds none. */
  bus(url: string): BusDeviceDefinition | undefined {
    const device = this.#devices.get(url);
    return device?.kind === "bus" ? device.definition : undefined;
  }

  /** The virtio device of a module; undefined where it holds none. */
  virtio(url: string): VirtioModule | undefined {
    const device = this.#devices.get(url);
    return device?.kind === "virtio" ? device.module : undefined;
  }
}

async function importModule(url: string, patience: number): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const problem = `it is not imported after ${patience / 1000} s: it awaits what does not come`;
    timer = setTimeout(() => reject(new UserModuleError(url, problem)), patience);
  });
  try {
    return await Promise.race([import(url), late]);
  } catch (error) {
    if (error instanceof UserModuleError) throw error;
    throw new UserModuleError(url, `it can't be imported: ${lineOf(error, url)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Takes the device out of a module.
 *
 * @throws {UserModuleError} saying what is missing, or not as it has to be
 */
export function userDevice(url: string, module: unknown): UserDevice {
  const definition = (module as { readonly default?: unknown }).default;
  const refuse = (problem: string): never => {
    throw new UserModuleError(url, problem);
  };
  if (definition === undefined) {
    return refuse("it has no default export, which is to be the device");
  }
  if (typeof definition !== "object" || definition === null) {
    return refuse("its default export is no device, which is an object: see defineBusDevice");
  }
  const { ranges, queues, attach, open, options, state, interrupt, version, acpiId } =
    definition as Readonly<Record<string, unknown>>;
  if ((ranges === undefined) === (queues === undefined)) {
    return refuse(
      "its default export is no device: a bus device has ranges, a virtio device has queues, and none has both",
    );
  }
  try {
    checkOptions(options);
    if (state !== undefined) checkStateFields(state);
    if (interrupt !== undefined && typeof interrupt !== "boolean") {
      check(Number.isSafeInteger(interrupt), "interrupt: it is true, false or a number");
    }
    check(version === undefined || Number.isSafeInteger(version), "version: it is a whole number");
    check(
      acpiId === undefined || typeof acpiId === "string" && ACPI_ID.test(acpiId),
      "acpiId: it is three or four letters and digits, and four hexadecimal ones: ACME0001",
    );
    if (queues === undefined) {
      check(Array.isArray(ranges) || typeof ranges === "function", "ranges: it is a list");
      check(typeof attach === "function", "attach: it is a function");
      return { kind: "bus", definition: definition as BusDeviceDefinition };
    }
    check(typeof open === "function", "open: it is a function");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refuse(error.message);
  }
  const virtio = definition as VirtioDeviceDefinition;
  return { kind: "virtio", definition: virtio, module: userVirtio(url, virtio) };
}

function checkOptions(options: unknown): asserts options is OptionFields | undefined {
  if (options === undefined) return;
  check(typeof options === "object" && options !== null, "options: it is an object");
  for (const [name, field] of Object.entries(options as object)) {
    check(
      name !== "module" && !Object.hasOwn(COMMON_FIELDS, name),
      `options.${name}: every device has a property of that name`,
    );
    const isField = typeof field === "object" && field !== null &&
      typeof field.read === "function" && typeof field.required === "boolean";
    check(isField, `options.${name}: it is made by count, text, size, flag, oneOf or field`);
  }
}

function check(condition: boolean, problem: string): void {
  if (!condition) throw new TypeError(problem);
}

/**
 * The fields of a machine's configuration that ask for no devices, with their defaults and their bounds.
 *
 * They are apart from those that do (config.ts), whose tables a machine without devices need not load.
 * @module
 */
import * as v from "valibot";
import type { DeviceConfig } from "./device_config.ts";
import type { UserDeviceConfig } from "./user_devices.ts";

/** The most vCPUs that the boot tables and the APIC ids of this machine are made for. */
export const MAX_CPUS = 254;

/** The least memory that holds a machine's own tables and a kernel. */
export const MIN_MEMORY = 2 << 20;

const PAGE = 4096;

const units: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/**
 * A number of bytes out of text such as `"512M"`, `"2G"`, `"1.5GiB"` or `"1048576"`; the units are powers of 1024.
 *
 * @returns undefined for text that is not a size
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * units[match[2].toUpperCase()];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const Size = v.pipe(
  v.union([v.string(), v.number()], 'a size is text such as "512M" or a number of bytes'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const { value } = dataset;
    const bytes = typeof value === "string" ? parseSize(value) : value;
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    addIssue({
      message: "a size is a number with an optional unit, such as 512M, 2G or 1048576",
    });
    return NEVER;
  }),
);

const Path = v.pipe(
  v.string("a path is text"),
  v.nonEmpty("the path is empty"),
  v.check((path) => !path.includes("\0"), "a path can't contain a NUL character"),
);

/** A kernel: a file, or bytes with the name that messages call them by. */
const Kernel = v.union(
  [
    Path,
    v.strictObject({
      name: v.pipe(v.string("a name is text"), v.nonEmpty("the name is empty")),
      bytes: v.pipe(
        v.instance(Uint8Array),
        v.check((bytes) => bytes.length > 0, "there are no bytes"),
      ),
    }),
  ],
  "a kernel is the path of a file, or an object with a name and the bytes, a Uint8Array",
);

const Address = v.pipe(
  v.number("a guest physical address"),
  v.safeInteger("a whole number"),
  v.minValue(0, "a guest physical address is not negative"),
);

/** The boot protocols that can be asked for by name; `auto` takes the best that the file offers. */
export const PROTOCOLS = ["auto", "linux64", "linux32", "pvh", "multiboot", "flat"] as const;

/** How virtio devices are plugged in. */
export const TRANSPORTS = ["pci", "mmio", "mmio-cmdline"] as const;

/** What carries the machine's console. */
export const CONSOLES = ["serial", "virtio"] as const;

/** Those fields. */
export const Schema = v.strictObject({
  kernel: Kernel,
  protocol: v.optional(v.picklist(PROTOCOLS, `one of ${PROTOCOLS.join(", ")}`), "auto"),
  flat: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist([16, 32, 64], "16, 32 or 64: real, protected or long mode"), 16),
      address: v.optional(Address),
      entry: v.optional(Address),
    }),
    {},
  ),
  initrd: v.optional(Path),
  modules: v.optional(
    v.array(v.strictObject({ path: Path, cmdline: v.optional(v.string(), "") })),
    [],
  ),
  cmdline: v.optional(v.string("a command line is text")),
  memory: v.optional(
    v.pipe(
      Size,
      v.minValue(MIN_MEMORY, "a machine needs at least 2M of memory"),
      v.check((bytes) => bytes % PAGE === 0, `memory is a multiple of ${PAGE} bytes`),
    ),
    "512M",
  ),
  cpus: v.optional(
    v.pipe(
      v.number("a number of vCPUs"),
      v.integer("a whole number of vCPUs"),
      v.minValue(1, "a machine needs at least one vCPU"),
      v.maxValue(MAX_CPUS, `a machine has at most ${MAX_CPUS} vCPUs`),
    ),
    1,
  ),
  hugePages: v.optional(
    v.picklist(["auto", "none", "transparent", "2M"], "one of auto, none, transparent, 2M"),
    "auto",
  ),
  /**
   * How virtio devices are plugged in: `pci`; `mmio`, announced by ACPI; or `mmio-cmdline`, announced on a Linux
   * kernel's command line.
   */
  transport: v.optional(v.picklist(TRANSPORTS, `one of ${TRANSPORTS.join(", ")}`), "pci"),
  console: v.optional(v.picklist(CONSOLES, `one of ${CONSOLES.join(", ")}`), "serial"),
});

/** A configuration that was checked, with its defaults filled in and its sizes in bytes. */
export type CheckedConfig = v.InferOutput<typeof Schema> & {
  readonly devices: readonly DeviceConfig[];
  /** Those that the user has written; their modules are not imported yet. */
  readonly userDevices: readonly UserDeviceConfig[];
};

/** The configurations that were checked: they are taken as they are. */
const checkedConfigs = new WeakSet<object>();

/** Whether a configuration was checked. */
export function isChecked(input: unknown): input is CheckedConfig {
  return typeof input === "object" && input !== null && checkedConfigs.has(input);
}

/** Makes a checked configuration of one that has passed all checks. */
export function checked(config: CheckedConfig): CheckedConfig {
  checkedConfigs.add(config);
  return config;
}

/** Checks the fields that ask for no devices. */
export function checkFields(fields: unknown): v.SafeParseResult<typeof Schema> {
  return v.safeParse(Schema, fields, { abortPipeEarly: true });
}

/**
 * The configuration of a machine without devices.
 *
 * @returns undefined where it has some, or where anything is wrong: `parseConfig` takes the first, and tells the second
 */
export function parsePlainConfig(fields: unknown): CheckedConfig | undefined {
  const { success, output } = checkFields(fields);
  if (!success || output.console === "virtio") return undefined;
  return checked({ ...output, devices: [], userDevices: [] });
}

/**
 * The fields of a machine's configuration that the options of `denovisor run` give, but those that ask for devices.
 * @module
 */
import { type CheckedConfig, parsePlainConfig } from "../../machine/schema.ts";
import { type RunOptions, runOptions } from "./options.ts";

const FLAT_MODES = { 16: 16, 32: 32, 64: 64 } as const;

/** The fields, those that are not given left out. */
export function plainFields(
  kernel: string | undefined,
  options: RunOptions,
): Record<string, unknown> {
  const { initrd, cmdline, memory, cpus, module: modules, protocol, hugePages } = options;
  const { flatMode, flatAddress, flatEntry, transport } = options;
  const flat = defined({
    mode: flatMode === undefined ? undefined : FLAT_MODES[flatMode],
    address: flatAddress,
    entry: flatEntry,
  });
  return defined({
    kernel,
    initrd,
    cmdline,
    memory,
    cpus,
    modules: unlessEmpty(modules),
    protocol,
    flat: Object.keys(flat).length === 0 ? undefined : flat,
    hugePages,
    transport,
    console: options.console?.device,
  });
}

/**
 * The configuration of a machine that options alone describe, and that has a kernel and no devices.
 *
 * @returns undefined for every other, and where anything is wrong
 */
export function plainConfiguration(
  kernel: string | undefined,
  options: RunOptions,
): CheckedConfig | undefined {
  if (kernel === undefined || options.config !== undefined) return undefined;
  const others = Object.entries(options).filter(([name]) => !(name in runOptions));
  if (others.some(([, value]) => unlessEmpty(value) !== undefined)) return undefined;
  return parsePlainConfig(plainFields(kernel, options));
}

/** Fields without those that are undefined. */
export function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Options that may be repeated are empty lists where they are not given. */
export function unlessEmpty(value: unknown): unknown {
  return Array.isArray(value) && value.length === 0 ? undefined : value;
}

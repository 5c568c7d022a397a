/**
 * The guest that the program carries, for who has no kernel at hand (tests/payloads/native/built_in.c): what a machine
 * is made of that runs it.
 *
 * It prints and is typed at over the serial port, finds virtio devices where its command line says, and writes to
 * those disks alone that it's told are its own to try: those in the host's memory, never a file.
 * @module
 */
import { architecture } from "../arch/mod.ts";
import { readAsset } from "../parts/mod.ts";
import { type CheckedConfig, parseConfig } from "./config.ts";
import type { DeviceConfig } from "./device_config.ts";

/** What messages call it. */
const NAME = "the built-in guest";

/** What the guest takes for the end of its input: Ctrl-D. */
export const END_OF_INPUT: Uint8Array = Uint8Array.of(0x04);

/** The disk that it gets where no other is asked for. */
const DISK = { memory: "16M" } as const;

/** The fields of a configuration that are about a kernel, none of which goes without one. */
export const KERNEL_FIELDS = ["protocol", "flat", "initrd", "modules", "cmdline"] as const;

/**
 * The configuration of a machine with the built-in guest.
 *
 * @param fields what else the machine is made of; none of {@linkcode KERNEL_FIELDS}
 * @throws {ConfigError} naming every field that is wrong
 */
export function builtInGuest(fields: Readonly<Record<string, unknown>>): CheckedConfig {
  const kernel = { name: NAME, bytes: readAsset("built-in-guest") };
  const config = { disks: [DISK], ...fields, kernel };
  const { transport, devices } = parseConfig(config);
  const { virtioMmioPlaces: places, pci } = architecture;
  const way = transport === "pci"
    ? `ecam=${pci.ecam.base}`
    : `mmio=${places[0].base},${places[1].base - places[0].base},${places.length}`;
  return parseConfig({ ...config, cmdline: `${way} scratch=${scratchDisks(devices)}` });
}

/** A bit for each disk, in their order, that is in the host's memory; the guest has 64. */
function scratchDisks(devices: readonly DeviceConfig[]): bigint {
  const disks = devices.filter(({ kind }) => kind === "block").slice(0, 64);
  return disks.reduce((mask, { input }, index) => {
    const isScratch = typeof input === "object" && input !== null && "memory" in input &&
      input.memory !== undefined;
    return isScratch ? mask | 1n << BigInt(index) : mask;
  }, 0n);
}

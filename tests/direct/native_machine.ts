/**
 * Machines that run the programs in C of tests/payloads/native, which drive virtio devices.
 * @module
 */
import { architecture } from "../../src/arch/mod.ts";
import { Machine, type MachineConfig } from "../../src/machine/mod.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { type Outcome, outcome, type PayloadMachineConfig, testDirect } from "./payload_machine.ts";

/** How a program finds its devices: a transport, and what it's told of it on its command line. */
export interface Way {
  readonly name: string;
  readonly transport: NonNullable<MachineConfig["transport"]>;
  readonly parameters: string;
}

const { virtioMmioPlaces: [first, second], virtioMmioPlaces, pci } = architecture;

/** By memory-mapped registers. */
export const MMIO: Way = {
  name: "virtio-mmio",
  transport: "mmio",
  parameters: `mmio=${first.base},${second.base - first.base},${virtioMmioPlaces.length}`,
};

/** All ways. */
export const WAYS: readonly Way[] = [
  MMIO,
  { name: "PCI, found in ECAM", transport: "pci", parameters: `ecam=${pci.ecam.base}` },
  { name: "PCI, found by ports", transport: "pci", parameters: `ports=${pci.configPort}` },
];

/**
 * Defines a test of a program for each way to its devices.
 *
 * @param needs commands, beside those that every program needs
 */
export function testNative(
  name: string,
  fn: (way: Way) => Promise<void>,
  needs: readonly string[] = [],
): void {
  const commands = [...COMPILER, ...needs];
  for (const way of WAYS) testDirect(`${name} (${way.name})`, () => fn(way), commands);
}

/** A machine with a program as its kernel, not started. @param parameters its command line, beside the way */
export async function nativeMachine(
  name: string,
  way: Way,
  config: PayloadMachineConfig = {},
  parameters: Readonly<Record<string, string | number>> = {},
): Promise<Machine> {
  const own = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  const cmdline = [way.parameters, ...own].join(" ");
  const kernel = await compile(name);
  const { transport } = way;
  return Machine.create({ memory: "32M", transport, ...config, cmdline, kernel });
}

/** Runs a program to its end. */
export async function runNative(
  ...args: Parameters<typeof nativeMachine>
): Promise<Outcome> {
  await using machine = await nativeMachine(...args);
  machine.start();
  return await outcome(machine);
}

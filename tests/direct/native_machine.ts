/**
 * Machines that run the programs in C of tests/payloads/native, which drive virtio devices.
 * @module
 */
import type { Judge } from "../../src/cli/self_test/guest.ts";
import { MMIO, type Way, WAYS } from "../../src/cli/self_test/ways.ts";
import { Machine } from "../../src/machine/mod.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { patiently, type PayloadMachineConfig, testDirect } from "./payload_machine.ts";

export { MMIO, type Way, WAYS };

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

/** Runs a program before a judge of the self-test. */
export async function judgeNative(
  judge: Judge,
  ...program: Parameters<typeof nativeMachine>
): Promise<void> {
  await using machine = await nativeMachine(...program);
  machine.start();
  await patiently(machine, () => judge(machine));
}

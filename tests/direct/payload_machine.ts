/**
 * Payloads in machines, for the tests of this folder.
 * @module
 */
import * as guest from "../../src/cli/self_test/guest.ts";
import type { Outcome } from "../../src/cli/self_test/guest.ts";
import { Kvm, KvmUnavailableError } from "../../src/kvm/mod.ts";
import { Machine, type MachineConfig } from "../../src/machine/mod.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { assemble, canAssemble, type PayloadOptions } from "../payloads/assemble.ts";

export { fields, ranges } from "../../src/cli/self_test/guest.ts";
export type { Outcome };

/** What payloads need and this host lacks. */
const missing: readonly string[] = [
  ...canAssemble ? [] : ["binutils"],
  ...hasKvm() ? [] : ["/dev/kvm"],
];

/** Whether this host runs machines. */
export function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return true;
  } catch (error) {
    if (error instanceof KvmUnavailableError) return false;
    throw error;
  }
}

/**
 * Defines a test that needs KVM and the assembler. Where the host lacks something, the test is ignored and
 * its name says what for.
 *
 * @param commands what else it needs
 */
export function testDirect(
  name: string,
  fn: () => Promise<unknown>,
  commands: readonly string[] = [],
): void {
  const lacks = [...missing, ...commands.filter((command) => findCommand(command) === undefined)];
  const needs = lacks.length === 0 ? "" : ` (needs ${lacks.join(" and ")})`;
  Deno.test({ name: name + needs, ignore: lacks.length > 0, fn: async () => void (await fn()) });
}

/** What the machine is made of, beside the payload; the payload's own options are apart. */
export type PayloadMachineConfig = Omit<Partial<MachineConfig>, "kernel">;

/** How long a payload may take before the test gives it up: none needs a tenth of it, on a busy host either. */
export const PATIENCE_MS = 180_000;

/** A machine with a payload as its kernel, not started. */
export async function payloadMachine(
  name: string,
  config: PayloadMachineConfig = {},
  payload: PayloadOptions = {},
): Promise<Machine> {
  const { path } = await assemble(name, payload);
  return Machine.create({ memory: "16M", ...config, kernel: path });
}

/** Runs a payload to its end. */
export async function runPayload(
  name: string,
  config: PayloadMachineConfig = {},
  payload: PayloadOptions = {},
): Promise<Outcome> {
  await using machine = await payloadMachine(name, config, payload);
  machine.start();
  return await outcome(machine);
}

/** Ends a machine whose guest has taken too long, so that nobody waits for it any more. */
export async function patiently<T>(machine: Machine, wait: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => void machine.stop(), PATIENCE_MS);
  try {
    return await wait();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads a machine's console to its end and waits for that.
 *
 * @throws {Error} with what was printed, when the guest does not come to an end
 */
export function outcome(machine: Machine): Promise<Outcome> {
  return patiently(machine, () => guest.outcome(machine));
}

/** Reads a machine's console until it has printed `text`, and gives what it read; the rest stays to be read. */
export function printed(machine: Machine, text: string): Promise<string> {
  return patiently(machine, () => guest.printed(machine, text));
}

/** Runs a payload before a judge of the self-test, and gives what that gives. */
export async function judgePayload<T>(
  judge: (machine: Machine) => Promise<T>,
  ...payload: Parameters<typeof payloadMachine>
): Promise<T> {
  await using machine = await payloadMachine(...payload);
  machine.start();
  return await patiently(machine, () => judge(machine));
}

/** The sum that the payloads' print_sum gives, as it prints it. */
export function sum(bytes: Uint8Array): string {
  let total = 0;
  for (const byte of bytes) total = (Math.imul(total, 31) + byte) >>> 0;
  return total.toString(16).padStart(8, "0");
}

/** 32 bits as the payloads print them. */
export function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

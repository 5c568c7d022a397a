/**
 * Payloads in machines, for the tests of this folder.
 * @module
 */
import { Kvm, KvmUnavailableError } from "../../src/kvm/mod.ts";
import { Machine, type MachineConfig, type MachineEnd } from "../../src/machine/mod.ts";
import { findCommand } from "../assets/command.ts";
import { assemble, canAssemble, type PayloadOptions } from "../payloads/assemble.ts";

/** What payloads need and this host lacks. */
const missing: readonly string[] = [
  ...canAssemble ? [] : ["binutils"],
  ...hasKvm() ? [] : ["/dev/kvm"],
];

function hasKvm(): boolean {
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
  fn: () => Promise<void>,
  commands: readonly string[] = [],
): void {
  const lacks = [...missing, ...commands.filter((command) => findCommand(command) === undefined)];
  const needs = lacks.length === 0 ? "" : ` (needs ${lacks.join(" and ")})`;
  Deno.test({ name: name + needs, ignore: lacks.length > 0, fn });
}

/** What the machine is made of, beside the payload; the payload's own options are apart. */
export type PayloadMachineConfig = Omit<Partial<MachineConfig>, "kernel">;

/** How long a payload may take before the test gives it up: none needs a tenth of it, on a busy host either. */
export const PATIENCE_MS = 180_000;

/** A payload's run from its start to its end. */
export interface Outcome {
  readonly end: MachineEnd;
  /** What it printed. */
  readonly console: string;
}

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

/**
 * Reads a machine's console to its end and waits for that.
 *
 * @throws {Error} with what was printed, when the guest does not come to an end
 */
export async function outcome(machine: Machine): Promise<Outcome> {
  let console = "";
  const decoder = new TextDecoder();
  const timer = setTimeout(() => void machine.stop(), PATIENCE_MS);
  try {
    for await (const chunk of machine.console.output) {
      console += decoder.decode(chunk, { stream: true });
    }
    const end = await machine.ended;
    if (end.kind === "stopped") {
      throw new Error(
        `the payload did not end within ${PATIENCE_MS / 1000} s; it printed: ${console}`,
      );
    }
    return { end, console };
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a machine's console until it has printed `text`, and gives what it read; the rest stays to be read. */
export async function printed(machine: Machine, text: string): Promise<string> {
  let seen = "";
  const decoder = new TextDecoder();
  const reader = machine.console.output.getReader();
  const timer = setTimeout(() => void machine.stop(), PATIENCE_MS);
  try {
    while (!seen.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the guest ended before it printed "${text}": ${seen}`);
      seen += decoder.decode(value, { stream: true });
    }
    return seen;
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
}

/** The lines `NAME=value` of a console. */
export function fields(console: string): Record<string, string> {
  return Object.fromEntries(
    [...console.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
}

/** A memory map as the payloads print it: `range BASE SIZE TYPE`. */
export function ranges(console: string): { base: number; size: number; type: number }[] {
  return [...console.matchAll(/^range ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{8})$/gm)]
    .map(([, base, size, type]) => ({
      base: parseInt(base, 16),
      size: parseInt(size, 16),
      type: parseInt(type, 16),
    }));
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

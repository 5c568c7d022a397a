/**
 * How guests have to end, and what has to be told of it.
 * @module
 */
import type { MachineEnd } from "../../../machine/end.ts";
import { expectEqual, expectMatch, Mismatch } from "../expect.ts";
import { endText, expectEnd, type GuestMachine, type Judge, outcome } from "../guest.ts";

/** A guest that ends so, having printed `console` and nothing else. */
export function ends(expected: MachineEnd, console: string): Judge {
  return async (machine) => {
    const found = await outcome(machine);
    // What the guest found wrong stands in its status, so that is looked at first.
    expectEnd(found.end, expected);
    expectEqual(found.console, console, "what was printed");
  };
}

/** A guest that ends with a status of its own, having printed `console` and nothing else. */
export function exits(status: number, console: string): Judge {
  return ends({ kind: "exit", status }, console);
}

/** What the guests that crash have in RAX. */
const RAX = /\brax\W+0*1234abcd\b/i;

/**
 * RIP and CR0 after a reset. On AMD hosts the processor's state is undefined after a triple fault, so that KVM
 * resets it before it tells of the fault; what it was is lost.
 */
const RESET = /\brip\W+0*fff0\b[^]*\bcr0\W+0x(?:6000)?0*10\b/i;

/** A guest that crashes on the first vCPU after it has printed a line. @returns the report's lines */
async function crash(machine: GuestMachine, reason: RegExp): Promise<string> {
  const { end, console } = await outcome(machine);
  expectEqual(console, "before\n", "what was printed before the crash");
  if (end.kind !== "crash") throw new Mismatch(`the end has to be a crash and is ${endText(end)}`);
  expectEqual(end.report.vcpu, 0, "the vCPU that crashed");
  expectMatch(end.report.reason, reason, "the reason");
  return end.report.details.join("\n");
}

/**
 * A triple fault, with its name, the registers and the code: the two bytes of UD2.
 *
 * @returns the report's lines; undefined where they tell nothing of the guest
 */
export async function tripleFault(machine: GuestMachine): Promise<string | undefined> {
  const details = await crash(machine, /triple fault/);
  expectMatch(details, /KVM_EXIT_SHUTDOWN/, "the report");
  if (RESET.test(details)) return undefined;
  expectMatch(details, RAX, "the report");
  expectMatch(details, /\b0f 0b\b/, "the report");
  return details;
}

/**
 * An instruction that no KVM emulates, with its name, the registers and the code: an FLD of 80 bits.
 *
 * @returns the report's lines
 */
export async function emulationFailure(machine: GuestMachine): Promise<string> {
  const details = await crash(machine, /can't run the guest/);
  const exit = /KVM_EXIT_INTERNAL_ERROR[^]*KVM_INTERNAL_ERROR_EMULATION/;
  expectMatch(details, exit, "the report");
  expectMatch(details, RAX, "the report");
  expectMatch(details, /\bdb 2b\b/, "the report");
  return details;
}

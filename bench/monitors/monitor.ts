/**
 * What a monitor is to the comparisons: command lines that run the same guest, and how to run one of them to its end.
 *
 * Another monitor is one file beside this one that exports a {@linkcode Monitor}, and a line in mod.ts.
 * @module
 */
import { Kvm } from "../../src/kvm/mod.ts";
import { CommandError } from "../../src/rootfs/errors.ts";

/** What a machine has beside a processor and a console. */
export interface Devices {
  /** The path of a raw image. */
  readonly disk?: string;
  /** The name of a tap. */
  readonly tap?: string;
  /** Whether it has one each of the devices that wait for something to happen: entropy, balloon, console. */
  readonly idlers?: boolean;
}

/** What a monitor is started with. */
export interface Guest {
  /** An ELF file that is started by PVH. */
  readonly program: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly devices: Devices;
}

/** One monitor. */
export interface Monitor {
  readonly name: string;
  /** The command line by which it runs a guest. */
  command(guest: Guest): [string, ...string[]];
  /** Its own status, when the guest ends with one. */
  statusOf(guest: number): number;
}

/** How much memory every guest has. */
export const MEMORY_MIB = 64;

/** A command line for the guest. */
export function cmdline(parameters: Readonly<Record<string, string | number>>): string {
  return Object.entries(parameters).map(([name, value]) => `${name}=${value}`).join(" ");
}

/**
 * Runs a guest to its end, and gives what it has printed.
 *
 * @throws {CommandError} for a guest that fails, with all that was printed
 */
export async function runGuest(
  monitor: Monitor,
  guest: Guest,
  timeoutMs: number,
): Promise<string> {
  const command = monitor.command(guest);
  const [program, ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    signal: AbortSignal.timeout(timeoutMs),
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  if (code === monitor.statusOf(0)) return text;
  throw new CommandError(command, code, `${text}${decoder.decode(stderr)}`);
}

/** How fast guests' time-stamp counters go on this host, in kHz. */
export function guestTscKhz(): number {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  using vcpu = vm.createVcpu(0);
  return vcpu.getTscKhz();
}

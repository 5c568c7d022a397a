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
  /** Whether the disk passes by the host's page cache, by O_DIRECT. */
  readonly directDisk?: boolean;
  /** The name of a tap. */
  readonly tap?: string;
  /** The path of the host's Unix socket for the guest's sockets, whose CID is {@linkcode GUEST_CID}. */
  readonly vsock?: string;
  /** Whether it has one each of the devices that wait for something to happen: entropy, balloon, console. */
  readonly idlers?: boolean;
}

/** What makes a guest Linux. */
export interface Linux {
  readonly initrd: string;
  /** The kernel uncompressed, an ELF file, for monitors that undo no compression. */
  readonly vmlinux?: string;
}

/** What a monitor is started with. */
export interface Guest {
  /** A program of ours, an ELF file that is started by PVH; or Linux' bzImage. */
  readonly program: string;
  /** What is told on its command line. */
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly devices: Devices;
  /** Given for Linux, whose console is the serial port and which ends by a reset (`reboot=` is each monitor's own). */
  readonly linux?: Linux;
  /** 1 without. */
  readonly cpus?: number;
  /** 64 without. */
  readonly memoryMiB?: number;
  /** Whether the host is asked for huge pages, as QEMU does of itself. */
  readonly hugePages?: boolean;
}

/** One monitor. */
export interface Monitor {
  readonly name: string;
  /** The command that has to be installed, with its Debian package if it has one; absent for ours. */
  readonly needs?: {
    readonly command: string;
    readonly package?: string;
    /** What it is asked for its version by. */
    readonly version: string;
  };
  /** The command line by which it runs a guest. */
  command(guest: Guest): [string, ...string[]];
  /** The command line as one could type it, where files that it names last no longer than this process. */
  typed?(guest: Guest): string;
  /** Its own status, when a program of ours ends with one. */
  statusOf(guest: number): number;
  /** Why it can't run such a guest; undefined where it can. */
  refusal?(guest: Guest): string | undefined;
}

/** The guest's address among sockets (vsock(7)); the first that is free. */
export const GUEST_CID = 3;
/** How much memory a guest has that doesn't ask for another amount. */
export const MEMORY_MIB = 64;

/** A command line for the guest, and for Linux what it needs to be heard and to end. */
export function cmdline(
  { parameters, linux }: Pick<Guest, "parameters" | "linux">,
  reboot: string,
): string {
  const all = linux === undefined
    ? parameters
    : { console: "ttyS0", reboot, panic: -1, ...parameters };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`).join(" ");
}

/**
 * A monitor's command line as one could type it.
 *
 * @param places what to call each file or interface that only exists now, such as `$DISK`, by its path or name
 */
export function typed(
  monitor: Monitor,
  guest: Guest,
  places: Readonly<Record<string, string>> = {},
): string {
  const text = monitor.typed?.(guest) ?? monitor.command(guest).map(quote).join(" ");
  return Object.entries(places).sort(([a], [b]) => b.length - a.length)
    .reduce((line, [place, name]) => line.replaceAll(place, name), text);
}

/** A word for the shell, in single quotes where it needs them. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
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
  // Linux ends by a reset, which is every monitor's good end.
  if (code === (guest.linux === undefined ? monitor.statusOf(0) : 0)) return text;
  throw new CommandError(command, code, `${text}${decoder.decode(stderr)}`);
}

/** How fast guests' time-stamp counters go on this host, in kHz. */
export function guestTscKhz(): number {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  using vcpu = vm.createVcpu(0);
  return vcpu.getTscKhz();
}

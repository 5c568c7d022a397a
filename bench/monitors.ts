/**
 * The monitors that run the same program in a machine with the same devices: denovisor as its users start it, and
 * QEMU's microVM, which has the same virtio-mmio devices.
 *
 * QEMU's disk and its sources of events are set up as denovisor's are: the file through the host's cache and io_uring,
 * served by a thread of its own.
 * @module
 */
import { architecture } from "../src/arch/mod.ts";
import { Kvm } from "../src/kvm/mod.ts";
import { findCommand } from "../src/rootfs/command.ts";
import { CommandError } from "../src/rootfs/errors.ts";
import { PROGRAM } from "../tests/cli/process.ts";

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

const MEMORY_MIB = 64;

const { virtioMmioPlaces: [first, second], virtioMmioPlaces } = architecture;

/** This project, by a command line of its own. */
export function denovisorAs(program: readonly [string, ...string[]]): Monitor {
  return {
    name: "denovisor",
    statusOf: (guest) => guest,
    command: (guest) => [...program, ...runArguments(guest)],
  };
}

/** This project, as tests run it. */
export const denovisor = denovisorAs(PROGRAM);

function runArguments({ program, parameters, devices: { disk, tap, idlers } }: Guest): string[] {
  const mmio = `${first.base},${second.base - first.base},${virtioMmioPlaces.length}`;
  return [
    ...["run", program, "--memory", `${MEMORY_MIB}M`, "--transport", "mmio"],
    ...["--cmdline", cmdline({ mmio, ...parameters })],
    ...disk === undefined ? [] : ["--disk", disk],
    ...tap === undefined ? [] : ["--net", tap],
    ...idlers === true ? ["--rng", "--balloon", "--port", "idle,file=/dev/null"] : [],
  ];
}

/** Where QEMU's microVM has its devices (hw/i386/microvm.c). */
const QEMU_PLACES = "0xfeb00000,512,24";

/** QEMU's microVM. */
export const qemu: Monitor = {
  name: "QEMU",
  // The debug exit doubles the status and adds one.
  statusOf: (guest) => guest * 2 + 1,
  command({ program, parameters, devices: { disk, tap, idlers } }) {
    return [
      "qemu-system-x86_64",
      ...["-M", "microvm,pit=off,rtc=off", "-accel", "kvm"],
      // A KVM without hardware behind it refuses the MSR of this feature, and QEMU then ends.
      ...["-cpu", "host,-arch-capabilities", "-m", `${MEMORY_MIB}M`],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
      ...["-global", "virtio-mmio.force-legacy=false"],
      ...["-kernel", program, "-append", cmdline({ mmio: QEMU_PLACES, ...parameters })],
      ...disk === undefined ? [] : [
        ...["-object", "iothread,id=io"],
        ...["-drive", `if=none,id=disk,file=${disk},format=raw,cache=writeback,aio=io_uring`],
        ...["-device", "virtio-blk-device,drive=disk,iothread=io"],
      ],
      ...tap === undefined ? [] : [
        ...["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no,vhost=off`],
        ...["-device", "virtio-net-device,netdev=net"],
      ],
      ...idlers !== true ? [] : [
        ...["-device", "virtio-rng-device", "-device", "virtio-balloon-device"],
        ...["-device", "virtio-serial-device", "-chardev", "null,id=port"],
        ...["-device", "virtserialport,chardev=port,name=idle"],
      ],
    ];
  },
};

function cmdline(parameters: Readonly<Record<string, string | number>>): string {
  return Object.entries(parameters).map(([name, value]) => `${name}=${value}`).join(" ");
}

/** The monitors that are installed here, ours first. */
export function installedMonitors(): readonly Monitor[] {
  return findCommand("qemu-system-x86_64") === undefined ? [denovisor] : [denovisor, qemu];
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

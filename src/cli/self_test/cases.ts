/**
 * The cases of the self-test, in the order in which they are run.
 *
 * The guests are those of tests/payloads, built once and carried as files of the program. What each has to do is
 * judged in the folder `judges`, by which the project's own tests judge the same guests.
 * @module
 */
import type { GuestCase, GuestConfig, SelfTestCase } from "./case.ts";
import { guestCase } from "./guest_case.ts";
import type { Judge } from "./guest.ts";
import { allReady, clock, disk, echo, randomBytes, virtioConsole } from "./judges/devices.ts";
import { emulationFailure, ends, exits, tripleFault } from "./judges/ends.ts";
import { bootInformation } from "./judges/entry.ts";
import { allProcessors, pausesAndResumes } from "./judges/processors.ts";
import { netCase } from "./net_case.ts";
import { machineGivenBack, PROGRAM_CASES, virtioGivenBack } from "./program_cases.ts";
import { MMIO, PCI, type Way } from "./ways.ts";

const MIB = 2 ** 20;

/** Real mode begins where a PC loads a boot sector. */
const FLAT_16: GuestConfig = { protocol: "flat", flat: { mode: 16, address: 0x7c00 } };
const FLAT_32: GuestConfig = { protocol: "flat", flat: { mode: 32 } };
/** Most guests are 64-bit code without a header, entered at their first byte. */
const FLAT_64: GuestConfig = { protocol: "flat", flat: { mode: 64 } };

/** A command line with all that a loader could get wrong. */
const CMDLINE = "one=1 two='2 3' ~";

const ENTRY: readonly GuestCase[] = [
  guestCase({
    name: "real-mode",
    area: "entry",
    title: "a flat image is entered in real mode",
    image: "real-mode",
    config: FLAT_16,
    judge: exits(16, "real mode\n"),
  }),
  guestCase({
    name: "protected-mode",
    area: "entry",
    title: "a flat image is entered in protected mode",
    image: "protected-mode",
    config: FLAT_32,
    judge: exits(32, "protected mode\n"),
  }),
  guestCase({
    name: "long-mode",
    area: "entry",
    title: "a flat image is entered in long mode",
    image: "long-mode",
    config: FLAT_64,
    judge: exits(64, "long mode\n"),
  }),
  guestCase({
    name: "elf",
    area: "entry",
    title: "an ELF kernel finds what Linux's 64-bit boot protocol says",
    image: "linux-64",
    config: { cmdline: CMDLINE },
    judge: bootInformation(64, CMDLINE, 16 * MIB),
  }),
  guestCase({
    name: "pvh",
    area: "entry",
    title: "a PVH kernel finds its start info and memory map",
    image: "pvh",
    config: { cmdline: CMDLINE },
    judge: bootInformation(33, CMDLINE, 16 * MIB),
  }),
  guestCase({
    name: "multiboot",
    area: "entry",
    title: "a multiboot kernel finds its information and memory map",
    image: "multiboot",
    config: { cmdline: CMDLINE },
    judge: bootInformation(34, CMDLINE, 16 * MIB),
  }),
];

const PROCESSOR: readonly GuestCase[] = [
  guestCase({
    name: "user-mode",
    area: "processor",
    title: "CPL 3 runs loops, port I/O and MMIO, and is interrupted to CPL 0 and back",
    image: "cpl3",
    config: {},
    judge: exits(3, "at CPL 3\nafter a loop\nback at CPL 0\ninterrupted\n"),
  }),
  guestCase({
    name: "lapic-timer",
    area: "processor",
    title: "the local APIC's timer wakes HLT, once and periodically",
    image: "lapic-timer",
    config: FLAT_64,
    judge: exits(11, "once\nperiodic\n"),
  }),
  guestCase({
    name: "pit",
    area: "processor",
    title: "the PIT's ticks wake HLT through the PIC",
    image: "pit",
    config: FLAT_64,
    judge: exits(10, "ticks\n"),
  }),
  guestCase({
    name: "smp",
    area: "processor",
    title: "a second processor starts by INIT and SIPI",
    image: "smp",
    config: { ...FLAT_32, cpus: 2 },
    judge: allProcessors(2),
  }),
];

const DEVICE: readonly GuestCase[] = [
  guestCase({
    name: "string-io",
    area: "device",
    title: "string instructions print, and come back in loopback",
    image: "string-io",
    config: FLAT_64,
    judge: exits(60, "0123456789abcdef, a string in one instruction\n"),
  }),
  guestCase({
    name: "serial",
    area: "device",
    title: "what is typed is echoed, by interrupts through the I/O APIC",
    image: "echo",
    config: FLAT_64,
    judge: echo,
  }),
  guestCase({
    name: "clock",
    area: "device",
    title: "the real-time clock tells the host's time",
    image: "rtc",
    config: FLAT_64,
    judge: clock,
  }),
];

/** Where the guest that counts does so: a guest physical address that its image was built with. */
const COUNTER = 0x7000;
const PAUSES = 20;

const END: readonly SelfTestCase[] = [
  guestCase({
    name: "pause",
    area: "end",
    title: `a guest that spins is paused and resumed ${PAUSES} times, and stopped`,
    image: "busy",
    config: {},
    judge: pausesAndResumes(COUNTER, PAUSES),
  }),
  end("power-off", "power-off", "the ACPI sleep control register powers the machine off", "acpi"),
  end("reset-acpi", "reset", "the ACPI reset register resets the machine", "acpi"),
  end("reset-i8042", "reset", "the keyboard controller's pulse resets the machine", "i8042"),
  end("reset-port92", "reset", "port 0x92's fast reset resets the machine", "port 0x92"),
  guestCase({
    name: "triple-fault",
    area: "end",
    title: "a triple fault is told with the registers and the code",
    image: "triple-fault",
    config: FLAT_64,
    judge: tripleFault,
  }),
  guestCase({
    name: "crash",
    area: "end",
    title: "an instruction that KVM can't emulate is told with the registers and the code",
    image: "emulation-failure",
    config: FLAT_64,
    judge: emulationFailure,
  }),
];

/** A guest that says bye and ends by a device; its image has the case's name. */
function end(
  name: "power-off" | "reset-acpi" | "reset-i8042" | "reset-port92",
  kind: "power-off" | "reset",
  title: string,
  source: string,
): GuestCase {
  const judge = ends({ kind, source }, "bye\n");
  return guestCase({ name, area: "end", title, image: name, config: FLAT_64, judge });
}

const DISK_ID = "a-serial-of-20-bytes";
const DISK_SECTORS = 16384;
/** How often the disk is reset and used anew. */
const DISK_RESETS = 1;

/** A program that drives virtio devices, which finds them in a way. */
function virtio(
  spec: Pick<GuestCase, "name" | "title" | "image"> & {
    readonly way: Way;
    readonly config: GuestConfig;
    readonly parameters?: string;
    readonly judge: Judge;
  },
): GuestCase {
  const { name, title, image, way, judge, parameters = "" } = spec;
  const cmdline = `${way.parameters} event_idx=1 ${parameters}`.trim();
  const config = { memory: "32M", transport: way.transport, cmdline, ...spec.config };
  return guestCase({ name, area: "virtio", title, image, config, judge });
}

const VIRTIO: readonly GuestCase[] = [
  ...[MMIO, PCI].map((way) =>
    virtio({
      name: `virtio-block-${way.transport}`,
      title: `a disk in memory keeps what is written to it (${way.name})`,
      image: "virtio-block",
      way,
      config: { disks: [{ memory: `${DISK_SECTORS / 2}K`, serial: DISK_ID }] },
      parameters: `resets=${DISK_RESETS}`,
      judge: disk({ sectors: DISK_SECTORS, id: DISK_ID }, 1 + DISK_RESETS),
    })
  ),
  virtio({
    name: "virtio-console",
    title: "a virtio console carries what is printed and what is typed",
    image: "virtio-console",
    way: PCI,
    config: { console: "virtio" },
    judge: virtioConsole,
  }),
  virtio({
    name: "virtio-entropy",
    title: "random bytes are others each time",
    image: "virtio-entropy",
    way: PCI,
    config: { rng: true },
    judge: randomBytes,
  }),
  virtio({
    name: "virtio-all",
    title: "disk, console, entropy and balloon are found and made ready together",
    image: "virtio-idle",
    way: PCI,
    config: { disks: [{ memory: "1M" }], console: "virtio", rng: true, balloon: true },
    judge: allReady(4),
  }),
];

/** All cases. */
export const CASES: readonly SelfTestCase[] = [
  ...PROGRAM_CASES,
  ...ENTRY,
  ...PROCESSOR,
  ...DEVICE,
  ...END,
  machineGivenBack,
  ...VIRTIO,
  netCase,
  virtioGivenBack,
];

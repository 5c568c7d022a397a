/**
 * How long monitors take to bring Debian's kernel, as it comes, to its first process.
 *
 * All get the same kernel, initrd, number of processors and memory, a serial port that is the guest's console, and no
 * other device. The yardstick is the least that a monitor does: a program in C (bench/boot_minimum.c).
 * @module
 */
import { join } from "node:path";
import { type Extent, type Measure, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { type Boot, initramfs, timeBoot } from "../linux_boots.ts";
import { denovisorAs, type Guest, monitorsFor, qemu, typed } from "../monitors/mod.ts";
import { cmdline, quote } from "../monitors/monitor.ts";
import { isAbsent, run } from "../../src/rootfs/command.ts";
import { kernelAsset, vmlinuxAsset } from "../../src/rootfs/kernels.ts";
import { SOURCE_TREE } from "../../tests/cli/process.ts";

/** Where `deno task compile` puts the executable. */
const EXECUTABLE = new URL("../../dist/denovisor", import.meta.url).pathname;
/** Our side as the source tree, where the executable is there too. */
const SOURCES = `${OURS}, deno run`;
const MINIMUM = "C minimum";
const MEMORY_MIB = 256;
/** What `quiet` stands for: warnings and worse are printed. */
const LOG_LEVEL = 4;
const GOALS = [{ by: qemu.name, atMost: 1 }];

/** One way in which all monitors boot. */
export interface Way {
  readonly name: string;
  readonly cpus: number;
  /** Debian's bzImage, or the ELF image in it. */
  readonly image: "bzImage" | "vmlinux";
  /** Whether the yardstick takes part: it starts bzImages, with one CPU. */
  readonly hasMinimum: boolean;
}

/** All ways. */
const WAYS: readonly Way[] = [
  { name: "bzImage, 1 CPU", cpus: 1, image: "bzImage", hasMinimum: true },
  { name: "bzImage, 2 CPUs", cpus: 2, image: "bzImage", hasMinimum: false },
  { name: "vmlinux by PVH, 1 CPU", cpus: 1, image: "vmlinux", hasMinimum: false },
];

export const boot: Subject = {
  name: "boot",
  title: "Debian to init",
  about: "From a monitor's exec to the line that the guest's first process prints on the serial " +
    `port, and to the monitor's end: Debian's cloud kernel, an initrd with busybox, ${MEMORY_MIB} ` +
    "MiB, the serial port as console and no disk or card. Of the command line only reboot= " +
    "differs, which names what a machine has. QEMU and denovisor have a clock and ACPI.",
  rig: "lab",
  needs: { gcc: "gcc", "qemu-system-x86_64": "qemu-system-x86", lkvm: "kvmtool" },
  extent: { seconds: 300, rounds: 3 },
  async fetch() {
    await vmlinuxAsset("cloud");
    await initramfs();
  },
  measure: (extent) => measureBoots(extent, WAYS),
};

/** What all boot. */
interface Files {
  readonly bzImage: string;
  readonly vmlinux: string;
  readonly initrd: string;
  /** The yardstick. */
  readonly minimum: string;
}

/** A side: how it's called, how it's started, and that as one could type it. */
interface Side {
  readonly name: string;
  readonly command: [string, ...string[]];
  readonly typed: string;
}

/**
 * Measures some ways.
 *
 * @throws {Error} for a monitor whose guest has no first process, or sees another number of CPUs than it was given
 */
export async function measureBoots(extent: Extent, ways: readonly Way[]): Promise<Report> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-boot-" });
  try {
    const files = await prepare(folder);
    const found: Measure[] = [];
    const commands: Record<string, string> = {};
    const notes = new Set<string>();
    const known = new Set<string>();
    for (const [index, way] of ways.entries()) {
      const note = (text: string) => void notes.add(text);
      const sides = await ableSides(way, await sidesOf(way, files, note), known, note);
      for (const { name, typed } of sides) commands[name] ??= typed;
      // Who is told of rounds hears of those of the last way: the others have as many.
      const onRound = index === ways.length - 1 ? extent.onRound : undefined;
      const turns = sides.map((side) => [side.name, () => bootWhole(way, side)]);
      const rounds = await takeTurns<Boot>(Object.fromEntries(turns), { ...extent, onRound });
      found.push(...measures(rounds, picked(way, qemu.name in rounds ? GOALS : [])));
    }
    return { measures: found, commands, notes: [...notes] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function picked({ name }: Way, goals: typeof GOALS): Picked<Boot>[] {
  const common = { unit: "s", better: "less" as const, goals };
  return [
    { ...common, name: `${name}, to init`, pick: ({ init }) => init },
    { ...common, name: `${name}, to the monitor's end`, pick: ({ exit }) => exit },
  ];
}

async function prepare(folder: string): Promise<Files> {
  const minimum = join(folder, "boot_minimum");
  const source = new URL("../boot_minimum.c", import.meta.url).pathname;
  await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", minimum, source]);
  const { vmlinuz } = await kernelAsset("cloud");
  const vmlinux = await vmlinuxAsset("cloud");
  return { bzImage: vmlinuz, vmlinux, initrd: await initramfs(), minimum };
}

/** Who could boot in such a way, ours first. @param note is told why others can't */
async function sidesOf(way: Way, files: Files, note: (text: string) => void): Promise<Side[]> {
  const { bzImage, vmlinux, initrd, minimum } = files;
  const guest: Guest = {
    program: files[way.image],
    parameters: { loglevel: LOG_LEVEL },
    devices: {},
    linux: { initrd, vmlinux },
    cpus: way.cpus,
    memoryMiB: MEMORY_MIB,
  };
  const names = {
    [bzImage]: "$BZIMAGE",
    [vmlinux]: "$VMLINUX",
    [initrd]: "$INITRD",
    [minimum]: "$MINIMUM",
    [EXECUTABLE]: "dist/denovisor",
    [Deno.execPath()]: "deno",
    [new URL("../../src/cli/main.ts", import.meta.url).pathname]: "src/cli/main.ts",
  };
  const choice = monitorsFor(guest);
  for (const text of choice.notes) note(text);
  const executable = await exists(EXECUTABLE) ? [denovisorAs([EXECUTABLE])] : [];
  if (executable.length === 0) note("There is no dist/denovisor: deno task compile builds it.");
  const [sources, ...peers] = [
    { ...denovisorAs(SOURCE_TREE), name: executable.length === 0 ? OURS : SOURCES },
    ...choice.monitors.slice(1),
  ];
  // What Deno's own start costs shows in one of the ways.
  const ours = executable.length === 0 || way.hasMinimum ? [...executable, sources] : executable;
  const sides = [...ours, ...peers].map((monitor): Side => ({
    name: monitor.name,
    command: monitor.command(guest),
    typed: typed(monitor, guest, names),
  }));
  if (way.hasMinimum) sides.push(minimumOf(guest, files, names));
  return sides;
}

/** The yardstick's side. Its machine ends by a triple fault. */
function minimumOf(
  guest: Guest,
  { bzImage, initrd, minimum }: Files,
  names: Readonly<Record<string, string>>,
): Side {
  const command: Side["command"] = [
    ...[minimum, bzImage, initrd] as const,
    ...[cmdline(guest, "t"), String(MEMORY_MIB)],
  ];
  const typed = command.map((word) => names[word] ?? quote(word)).join(" ");
  return { name: MINIMUM, command, typed };
}

/**
 * Has those sides boot of which something is to be found out: the first boot of each fills the host's page cache, and
 * tells of those that need not have a table of CPUs that the kernel reads whether theirs has come up.
 *
 * @param known the sides that have booted
 * @returns those whose guests see all CPUs, and ours and QEMU's, which are to
 */
async function ableSides(
  way: Way,
  sides: readonly Side[],
  known: Set<string>,
  note: (text: string) => void,
): Promise<Side[]> {
  const able: Side[] = [];
  for (const side of sides) {
    const { name, command } = side;
    const mustBeAble = name.startsWith(OURS) || name === qemu.name;
    if (mustBeAble && known.has(name)) {
      able.push(side);
      continue;
    }
    const { processors } = await timeBoot(command);
    known.add(name);
    if (mustBeAble || processors === way.cpus) able.push(side);
    else note(`${name} is left out with ${way.cpus} CPUs: its guest sees ${processors}.`);
  }
  return able;
}

async function bootWhole({ cpus }: Way, { name, command }: Side): Promise<Boot> {
  const boot = await timeBoot(command);
  if (boot.processors === cpus) return boot;
  throw new Error(`the guest of ${name} sees ${boot.processors} processors and not ${cpus}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/**
 * Starts and stops many machines in a process of its own, and tells what the process held before and
 * after; for leak_test.ts. Its output is one {@linkcode LeakReport} as JSON.
 * @module
 */
import { join } from "node:path";
import { CAN_MAKE_TAPS } from "../../devices/virtio/net/testing/taps.ts";
import { heldAgain, heldAtRest, type HostResources } from "../../src/cli/self_test/held.ts";
import { Machine, type MachineConfig } from "../../src/machine/mod.ts";
import { assemble } from "../payloads/assemble.ts";
import { MMIO, nativeMachine, WAYS } from "./native_machine.ts";
import { outcome, payloadMachine, printed } from "./payload_machine.ts";

/** What leak_test.ts judges. */
export interface LeakReport {
  readonly before: HostResources;
  readonly after: HostResources;
  /** How often each end was met. */
  readonly ends: Readonly<Record<string, number>>;
  /** The names of the errors of each machine that can't be built. */
  readonly failures: Readonly<Record<string, readonly string[]>>;
}

/** How often each machine that can't be built is tried. */
const FAILURES = 4;
/** Workers end in their own time after they were told to. */
const SETTLING_MS = 60_000;
/** A process that has not changed for so long is at rest; in the lab a Worker's end alone takes seconds. */
const RESTING_MS = Deno.env.has("DENOVISOR_LAB") ? 10_000 : 1000;

/** The lives that a machine can lead; each gives its end, and how it was led where ends are alike. */
const lives: readonly ((folder: string) => Promise<string>)[] = [
  async () => {
    await using machine = await payloadMachine("power", {}, { defines: { PORT: 0xf4, VALUE: 7 } });
    machine.start();
    return (await outcome(machine)).end.kind;
  },
  async () => {
    await using machine = await busy("CPL3");
    machine.start();
    await printed(machine, "ready\n");
    await machine.stop();
    return (await machine.ended).kind;
  },
  async () => {
    await using machine = await payloadMachine("triple_fault");
    machine.start();
    return (await outcome(machine)).end.kind;
  },
  async () => {
    await using _machine = await busy("CPL0");
    return "never started";
  },
  async () => {
    await using machine = await busy("HALT", 2);
    machine.start();
    await machine.pause();
    return "disposed of while paused";
  },
  async (folder) => {
    const devices = { ...allDevices(folder), console: "virtio" } as const;
    await using machine = await nativeMachine("block", MMIO, devices);
    machine.start();
    return `${(await outcome(machine)).end.kind}, with all devices on virtio-mmio`;
  },
  async (folder) => {
    const [, pci] = WAYS;
    await using machine = await nativeMachine("idle", pci, allDevices(folder));
    machine.start();
    await printed(machine, "idle\n");
    await machine.stop();
    return `${(await machine.ended).kind}, with all devices on PCI`;
  },
];

/** A disk's size that suits the program. */
const DISK_BYTES = 8 << 20;

/** One of each kind of device, in an I/O thread of its own and in one that they share. */
function allDevices(folder: string) {
  const disk = join(folder, "disk.img");
  Deno.writeFileSync(disk, new Uint8Array());
  Deno.truncateSync(disk, DISK_BYTES);
  return {
    disks: [{ path: disk, thread: "own" }],
    nets: CAN_MAKE_TAPS ? [{ tap: `nvleak${Deno.pid.toString(36)}` }] : [],
    vsock: { uds: join(folder, "vsock") },
    ports: [{ name: "file", file: join(folder, "port") }],
    rng: true,
    balloon: true,
    devices: ["dice.ts", "rot13.ts"].map((name) => import.meta.resolve(`../examples/${name}`)),
  } as const;
}

function busy(state: string, cpus = 1): Promise<Machine> {
  return payloadMachine("busy", { cpus }, { defines: { COUNTER: 0x7000, [state]: 1 } });
}

/** Machines that can't be built, by what is wrong, from the first step of the boot to the last. */
async function wrongConfigs(folder: string): Promise<Record<string, MachineConfig>> {
  const { path: kernel } = await assemble("linux");
  const text = join(folder, "text");
  await Deno.writeTextFile(text, "not a kernel, and not meant to be one\n".repeat(100));
  const large = join(folder, "large");
  await Deno.writeFile(large, new Uint8Array());
  await Deno.truncate(large, 64 << 20);
  const good = { kernel, memory: "16M", cpus: 2 } as const;
  const taken = join(folder, "taken");
  await Deno.writeTextFile(taken, "");
  // The first of its disks is good, and so is all else of it: what they took has to be given back.
  const devices = { ...good, ...allDevices(folder) };
  const { disks, ports } = devices;
  return {
    "a missing second disk": { ...devices, disks: [...disks, join(folder, "missing")] },
    "a disk that is used twice": { ...devices, disks: [...disks, { path: disks[0].path }] },
    "a folder as disk": { ...devices, disks: [...disks, folder] },
    "an interface that is no tap": { ...devices, nets: [...devices.nets, { tap: "lo" }] },
    "a socket whose path is taken": { ...devices, vsock: { uds: taken } },
    "a port whose file can't be made": {
      ...devices,
      ports: [...ports, { name: "other", file: join(folder, "missing", "port") }],
    },
    "a device of the user's where another is": {
      ...devices,
      devices: [...devices.devices, `${devices.devices[0]},port=${0x3f8}`],
    },
    "a device of the user's whose file is missing": {
      ...devices,
      devices: [...devices.devices, join(folder, "missing.ts")],
    },
    "two devices of one name": { ...devices, rng: { id: "balloon" } },
    "a missing kernel for all devices": { ...devices, kernel: join(folder, "missing") },
    "a text as kernel for all devices": { ...devices, kernel: text },
    "more devices than there are places": {
      ...devices,
      transport: "mmio",
      disks: await manyDisks(folder),
    },
    "a missing kernel": { ...good, kernel: join(folder, "missing") },
    "a folder as kernel": { ...good, kernel: folder },
    "a text as kernel": { ...good, kernel: text },
    "a missing initrd": { ...good, initrd: join(folder, "missing") },
    "an initrd that does not fit": { ...good, initrd: large },
    "a missing module": { ...good, modules: [{ path: join(folder, "missing") }] },
    "a command line that is too long": { ...good, cmdline: "x".repeat(5000) },
    "more memory than there is": { ...good, memory: "1T" },
    "too many processors": { ...good, cpus: 1000 },
  };
}

/** More than there are places for virtio-mmio devices. */
async function manyDisks(folder: string): Promise<string[]> {
  const paths = Array.from({ length: 20 }, (_, i) => join(folder, `disk${i}.img`));
  for (const path of paths) await Deno.writeFile(path, new Uint8Array(4096));
  return paths;
}

async function fail(config: MachineConfig, signal?: AbortSignal): Promise<string> {
  try {
    await using _machine = await Machine.create(config, { signal });
    return "built";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function main(machines: number): Promise<LeakReport> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-leak-" });
  try {
    const configs = await wrongConfigs(folder);
    // What a process takes once and keeps is no leak.
    for (const live of lives) await live(folder);
    for (const config of Object.values(configs)) await fail(config);
    const before = await heldAtRest(RESTING_MS, SETTLING_MS);

    const ends: Record<string, number> = {};
    for (let i = 0; i < machines; i++) {
      const end = await lives[i % lives.length](folder);
      ends[end] = (ends[end] ?? 0) + 1;
    }
    const failures: Record<string, string[]> = {};
    for (const [what, config] of Object.entries(configs)) {
      failures[what] = [];
      for (let i = 0; i < FAILURES; i++) failures[what].push(await fail(config));
    }
    failures["a start that was given up"] = [
      await fail({ kernel: (await assemble("linux")).path }, AbortSignal.abort()),
    ];
    return { before, after: await heldAgain(before, SETTLING_MS), ends, failures };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const report = await main(Number(Deno.args[0]));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
}

/**
 * What machines take of the host's memory beside what their guests have: one machine with a disk, a card and sockets
 * whose guest is idle (tests/payloads/native/idle.c), and several of them in one process.
 * @module
 */
import { join } from "node:path";
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, takeTurns } from "../compare/rounds.ts";
import { type Command, IdleChild } from "../idleness.ts";
import { denovisorAs, type Devices, type Guest, monitorsFor, typed } from "../monitors/mod.ts";
import { MEMORY_MIB, type Monitor } from "../monitors/monitor.ts";
import { type ProcessMemory, readMemory } from "../process_memory.ts";
import { TestTap } from "../../devices/virtio/net/testing/taps.ts";
import type { StartConfig } from "../../mod.ts";
import { MMIO } from "../../src/cli/self_test/ways.ts";
import { SOURCE_TREE } from "../../tests/cli/process.ts";
import { compile } from "../../tests/payloads/compile.ts";

/** How many machines are in one process. */
const COUNTS: readonly number[] = [1, 2, 4, 8, 16];
/** Sides that have one machine, at most. */
const SIDES = 3;
const DISK_BYTES = 1 << 20;
const TREE = `${OURS}, source tree`;
const EXECUTABLE = new URL("../../dist/denovisor", import.meta.url).pathname;

/** In MiB. */
const ONE_GOAL = 45;
const FURTHER_GOAL = 12;

export const memory: Subject = {
  name: "memory",
  title: "Memory beside the guest's own",
  about:
    "The monitor's share of all memory that is mapped (PSS), less its guests': a machine with " +
    "a disk, a card and sockets whose guest halts, and several of them in one process.",
  rig: "direct",
  needs: { gcc: "gcc", ip: "iproute2", "qemu-system-x86_64": "qemu-system-x86" },
  // Three seconds for each turn, in which monitors do what comes after a start.
  extent: { seconds: (SIDES + COUNTS.length) * 3 * 3, rounds: 3 },
  measure: (extent) => measure(extent),
};

/**
 * Measures.
 *
 * @param counts how many machines are in one process, ascending
 * @param executable the path of ours
 */
export async function measure(
  extent: Extent,
  counts: readonly number[] = COUNTS,
  executable: string = EXECUTABLE,
): Promise<Report> {
  const settling = extent.seconds / extent.rounds / (SIDES + counts.length);
  const program = await compile("idle");
  await using places = await Places.make(Math.max(...counts));
  const guests = places.all.map((devices): Guest => ({ program, parameters: {}, devices }));
  const notes = [
    "Of a file that is mapped, each process has its share: all of it where no other maps it. " +
    "The source tree shares Deno's with the process that measures.",
  ];
  const hasExecutable = await exists(executable);
  if (!hasExecutable) {
    notes.push("There is no dist/denovisor: deno task compile builds it. The source tree runs.");
  }
  const ours = denovisorAs(hasExecutable ? [executable] : SOURCE_TREE);
  const sides: Record<string, Side> = { [OURS]: { monitor: ours, guest: guests[0] } };
  if (hasExecutable) sides[TREE] = { monitor: denovisorAs(SOURCE_TREE), guest: guests[0] };
  const { monitors: [, ...peers], notes: absent } = monitorsFor(withoutVsock(guests[0]));
  notes.push(...absent);
  for (const monitor of peers) {
    const reason = monitor.refusal?.(guests[0]);
    const guest = reason === undefined ? guests[0] : withoutVsock(guests[0]);
    if (reason !== undefined) notes.push(`${monitor.name} goes without sockets: ${reason}.`);
    sides[monitor.name] = { monitor, guest };
  }

  // Who is told of rounds hears of those of the second part: the first one has as many.
  const { onRound: _, ...silent } = extent;
  const single = await takeTurns(
    Object.fromEntries(
      Object.entries(sides).map((
        [name, side],
      ) => [name, () => memoryOf(commandOf(side), settling)]),
    ),
    silent,
  );
  const together = await takeTurns({
    [OURS]: async () => {
      const all: ProcessMemory[] = [];
      for (const count of counts) {
        all.push(await memoryOf(inOneProcess(guests.slice(0, count)), settling));
      }
      return all;
    },
  }, extent);

  const places1 = { [program]: "$GUEST", [executable]: "dist/denovisor", ...places.names };
  const shared = { unit: "MiB", better: "less" } as const;
  return {
    measures: [
      ...measures(single, [
        { ...shared, name: "1 machine", pick: ({ own }) => own, goals: [{ atMost: ONE_GOAL }] },
        {
          ...shared,
          name: "1 machine, what no file has",
          pick: ({ anonymous }) => anonymous,
        },
      ]),
      ...measures(together, [
        ...counts.map((count, i) => ({
          ...shared,
          name: `${count} in one process`,
          pick: (all: readonly ProcessMemory[]) => all[i].own,
        })),
        {
          ...shared,
          name: "each further machine in the process",
          pick: (all: readonly ProcessMemory[]) => slope(counts, all.map(({ own }) => own)),
          goals: [{ atMost: FURTHER_GOAL }],
        },
      ]),
    ],
    commands: Object.fromEntries(
      Object.entries(sides).map(([name, side]) => [
        name,
        typed({ ...side.monitor, command: () => commandOf(side) }, side.guest, places1),
      ]),
    ),
    notes: [
      ...notes,
      "A second after its start, denovisor gives its program's pages back to the host's page cache; " +
      "what it has used since is mapped again, and counts.",
      "Several machines in one process are started by the library, from the source tree " +
      "(bench/idle_machines.ts).",
    ],
  };
}

/** A monitor with its guest. */
interface Side {
  readonly monitor: Monitor;
  readonly guest: Guest;
}

/** A monitor's command line; QEMU's guest memory has a name, by which it is told from QEMU's own. */
function commandOf({ monitor, guest }: Side): [string, ...string[]] {
  const command = monitor.command(guest);
  if (monitor.name !== "QEMU") return command;
  const backend = `memory-backend-memfd,id=ram,size=${MEMORY_MIB}M`;
  return [...command, "-object", backend, "-machine", "memory-backend=ram"];
}

/** Runs a command until its guests are idle and it has settled, and reads its memory. */
async function memoryOf(command: Command, settling: number): Promise<ProcessMemory> {
  await using child = new IdleChild(command);
  await child.becomesIdle();
  await new Promise((resolve) => setTimeout(resolve, settling * 1000));
  const memory = readMemory(child.pid);
  if (memory.guests === 0) throw new Error(`${command.join(" ")}: its guest has no memory`);
  return memory;
}

/** The slope of the line with the least squares of distances to the points. */
export function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (all: readonly number[]) => all.reduce((sum, value) => sum + value, 0) / all.length;
  const [x, y] = [mean(xs), mean(ys)];
  const products = xs.map((value, i) => (value - x) * (ys[i] - y));
  return mean(products) / mean(xs.map((value) => (value - x) ** 2));
}

function withoutVsock({ devices, ...guest }: Guest): Guest {
  const { vsock: _, ...others } = devices;
  return { ...guest, devices: others };
}

/** The command that runs all guests in one process of ours. */
function inOneProcess(guests: readonly Guest[]): Command {
  const configs = guests.map(({ program, devices: { disk, tap, vsock } }): StartConfig => ({
    kernel: program,
    memory: `${MEMORY_MIB}M`,
    transport: MMIO.transport,
    cmdline: MMIO.parameters,
    disks: [disk!],
    nets: [{ tap: tap! }],
    vsock: { uds: vsock! },
  }));
  const script = new URL("../idle_machines.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--quiet", script, JSON.stringify(configs)];
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A disk, a tap and a path for sockets for each machine. */
class Places implements AsyncDisposable {
  private constructor(
    readonly all: readonly Devices[],
    /** What to call those of the first machine. */
    readonly names: Readonly<Record<string, string>>,
    readonly stack: AsyncDisposableStack,
  ) {}

  static async make(count: number): Promise<Places> {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "denovisor-memory-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const all: Devices[] = [];
    for (let i = 0; i < count; i++) {
      const disk = join(folder, `disk${i}.img`);
      await Deno.writeFile(disk, new Uint8Array(DISK_BYTES));
      all.push({ disk, tap: stack.use(new TestTap()).name, vsock: join(folder, `vsock${i}`) });
    }
    const [{ disk, tap, vsock }] = all;
    return new Places(all, { [disk!]: "$DISK", [tap!]: "$TAP", [vsock!]: "$SOCKET" }, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

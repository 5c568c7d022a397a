/**
 * What idle machines cost, each with a disk, a card, sockets and devices that wait for something to happen
 * (tests/payloads/native/idle.c): one of them, and sixteen, which denovisor has in one process or in as many.
 * @module
 */
import { join } from "node:path";
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { type Command, type Idleness, measureIdle } from "../idleness.ts";
import { type Devices, type Guest, type Monitor, monitorsFor, typed } from "../monitors/mod.ts";
import { MEMORY_MIB } from "../monitors/monitor.ts";
import { TestTap } from "../../devices/virtio/net/testing/taps.ts";
import type { StartConfig } from "../../mod.ts";
import { MMIO } from "../../src/cli/self_test/ways.ts";
import { compile } from "../../tests/payloads/compile.ts";

const MANY = 16;
/** Sixteen machines of ours with a process each. */
const PROCESSES = `${OURS}, ${MANY} processes`;
/** How many kinds of turns there are: one machine and sixteen of either monitor's, and ours once more. */
const TURNS = 5;
const DISK_BYTES = 1 << 20;

/** In percent of one processor's time. */
const ONE_GOAL = 0.5;
const MANY_GOAL = 4;

export const idle: Subject = {
  name: "idle",
  title: "Idle machines",
  about: "Processor time of machines with all devices whose guests halt, as the kernel counts it " +
    `for all their threads: one, and ${MANY} at once, in one process and in as many.`,
  rig: "direct",
  needs: { gcc: "gcc", ip: "iproute2", "qemu-system-x86_64": "qemu-system-x86" },
  // A minute for each turn, all rounds together.
  extent: { seconds: TURNS * 60, rounds: 3 },
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  const seconds = extent.seconds / extent.rounds / TURNS;
  const program = await compile("idle");
  await using places = await Places.make();
  const guests = places.all.map((devices): Guest => ({ program, parameters: {}, devices }));
  const choice = monitorsFor({ ...guests[0], devices: { ...guests[0].devices, vsock: undefined } });
  const notes = [...choice.notes];
  const [ours, ...peers] = choice.monitors.map((monitor) => {
    const reason = monitor.refusal?.(guests[0]);
    if (reason === undefined) return { monitor, guests };
    notes.push(`${monitor.name} goes without sockets: ${reason}.`);
    return { monitor, guests: guests.map(withoutVsock) };
  });
  const turn = (count: number, { monitor, guests }: typeof ours) => () =>
    measureIdle(guests.slice(0, count).map((guest) => monitor.command(guest)), seconds);
  const peerTurns = (count: number) =>
    Object.fromEntries(peers.map((peer) => [peer.monitor.name, turn(count, peer)]));
  const together = inOneProcess(guests);

  // Who is told of rounds hears of those of the second part: the first one has as many.
  const { onRound: _, ...silent } = extent;
  const one = await takeTurns({ [OURS]: turn(1, ours), ...peerTurns(1) }, silent);
  const many = await takeTurns({
    [OURS]: () => measureIdle([together], seconds),
    [PROCESSES]: turn(MANY, ours),
    ...peerTurns(MANY),
  }, extent);
  const names = { [program]: "$GUEST", ...places.names };
  const commandOf = ({ monitor, guests: [guest] }: { monitor: Monitor; guests: Guest[] }) =>
    typed(monitor, guest, names);
  return {
    measures: [
      ...measures(one, picked("1 machine", [{ atMost: ONE_GOAL }])),
      ...measures(
        many,
        picked(`${MANY} machines`, [
          { atMost: MANY_GOAL },
          { side: PROCESSES, atMost: MANY_GOAL },
        ]),
      ),
    ],
    commands: {
      [OURS]: commandOf(ours),
      [PROCESSES]: commandOf(ours),
      ...Object.fromEntries(peers.map((peer) => [peer.monitor.name, commandOf(peer)])),
    },
    notes: [
      ...notes,
      `${OURS} has its ${MANY} machines in one process by the library (bench/idle_machines.ts).`,
    ],
  };
}

function picked(name: string, goals: Picked<Idleness>["goals"]): Picked<Idleness>[] {
  return [
    {
      name: `${name}, processor time`,
      unit: "%",
      better: "less",
      pick: ({ percent }) => percent,
      goals,
    },
    {
      name: `${name}, threads that went to sleep`,
      unit: "1/s",
      better: "less",
      pick: ({ switches }) => switches,
    },
  ];
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
    ports: [{ name: "idle", file: "/dev/null" }],
    rng: true,
    balloon: true,
  }));
  const script = new URL("../idle_machines.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--quiet", script, JSON.stringify(configs)];
}

/** A disk, a tap and a path for sockets for each machine. */
class Places implements AsyncDisposable {
  private constructor(
    readonly all: readonly Devices[],
    /** What to call those of the first machine. */
    readonly names: Readonly<Record<string, string>>,
    readonly stack: AsyncDisposableStack,
  ) {}

  static async make(): Promise<Places> {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "denovisor-idle-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const all: Devices[] = [];
    for (let i = 0; i < MANY; i++) {
      const disk = join(folder, `disk${i}.img`);
      await Deno.writeFile(disk, new Uint8Array(DISK_BYTES));
      const tap = stack.use(new TestTap()).name;
      all.push({ disk, tap, vsock: join(folder, `vsock${i}`), idlers: true });
    }
    const [{ disk, tap, vsock }] = all;
    const names = { [disk!]: "$DISK", [tap!]: "$TAP", [vsock!]: "$SOCKET" };
    return new Places(all, names, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

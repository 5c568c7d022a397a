/**
 * How fast network cards are under denovisor and under other monitors: the same driver in the same guest, on the same
 * tap.
 *
 * The guest (tests/payloads/native/net_speed.c) runs at full speed on any KVM; behind the tap is a program in C
 * (bench/net_peer.c). Both ends check what has come: the guest by the length of each packet and, when the clock doesn't
 * run, by its content; the host by the tap's counters.
 * @module
 */
import { join } from "node:path";
import { TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { run } from "../../src/rootfs/command.ts";
import type { Extent, Report, Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { numberIn, type Rates, SpeedGuest } from "../device_speed.ts";
import { LineReader } from "../line_reader.ts";
import { type Monitor, monitorsFor, typed } from "../monitors/mod.ts";

/** The guest's kinds of work, in its order. */
const KINDS = [
  ...["transmit_64", "transmit_64k", "receive_64", "receive_64k", "round_trip_64"] as const,
];
type NetRates = Rates<typeof KINDS[number]>;

const QEMU = "QEMU";
const GOALS = [{ by: QEMU, atLeast: 1 }];
/** A segment: headers of 54 bytes and 45 times 1448. */
const GIGABITS_PER_SEGMENT = (54 + 45 * 1448) * 8 / 1e9;

export const net: Subject = {
  name: "net",
  title: "Network cards",
  about: "Packets of 64 bytes and segments of 64 KiB through a tap in both directions, and round " +
    "trips, between a guest that drives its card natively and a program in C on the host's side.",
  rig: "direct",
  needs: { "gcc": "gcc", "ip": "iproute2", "qemu-system-x86_64": "qemu-system-x86" },
  extent: { seconds: 20, rounds: 5 },
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  using tap = new TestTap();
  await using _peer = await Peer.start(tap.name);
  const devices = { tap: tap.name };
  const { monitors, notes } = monitorsFor({ program: "", parameters: {}, devices });
  const seconds = extent.seconds / extent.rounds / monitors.length / KINDS.length;
  const speed = await SpeedGuest.build("net_speed", KINDS, seconds);
  const guest = speed.with({ devices, hugePages: true });
  const turn = async (monitor: Monitor): Promise<NetRates> => {
    const before = arrivals(tap);
    const text = await speed.run(monitor, guest);
    checkArrivals(before, arrivals(tap), text);
    return speed.rates(text);
  };
  const sides = monitors.map((monitor) => [monitor.name, () => turn(monitor)] as const);
  const rounds = await takeTurns(Object.fromEntries(sides), extent);
  const places = { [guest.program]: "$GUEST", [tap.name]: "$TAP" };
  return {
    measures: measures(rounds, PICKED),
    commands: Object.fromEntries(
      monitors.map((monitor) => [monitor.name, typed(monitor, guest, places)]),
    ),
    notes: [
      ...notes,
      "Three programs are at work on a packet that comes in or goes round: the guest's processor, " +
      "which polls, the monitor's thread, and the one on the host's side. With fewer free " +
      "processors they wait for each other.",
    ],
  };
}

const PICKED: readonly Picked<NetRates>[] = [
  packets("64-byte packets from the guest", "transmit_64"),
  packets("64-byte packets to the guest", "receive_64"),
  segments("64 KiB segments from the guest", "transmit_64k"),
  segments("64 KiB segments to the guest", "receive_64k"),
  packets("64-byte round trips", "round_trip_64"),
];

function packets(name: string, kind: typeof KINDS[number]): Picked<NetRates> {
  return { name, unit: "1/s", better: "more", goals: GOALS, pick: (rates) => rates[kind] };
}

function segments(name: string, kind: typeof KINDS[number]): Picked<NetRates> {
  const pick = (rates: NetRates) => rates[kind] * GIGABITS_PER_SEGMENT;
  return { name, unit: "Gbit/s", better: "more", goals: GOALS, pick };
}

/** What the host has had from a tap. */
interface Arrivals {
  readonly packets: number;
  readonly bytes: number;
}

function arrivals({ name }: TestTap): Arrivals {
  const counter = (what: string) =>
    Number(Deno.readTextFileSync(`/sys/class/net/${name}/statistics/rx_${what}`));
  return { packets: counter("packets"), bytes: counter("bytes") };
}

/** @throws {Error} when the host has not seen what the guest says it has sent; it also sent requests */
function checkArrivals(before: Arrivals, after: Arrivals, text: string): void {
  const sent = { packets: numberIn(text, "sent"), bytes: numberIn(text, "sent_bytes") };
  for (const what of ["packets", "bytes"] as const) {
    const seen = after[what] - before[what];
    if (seen >= sent[what]) continue;
    throw new Error(`the guest sent ${sent[what]} ${what}, and the host saw ${seen}`);
  }
}

/** The program on the host's side of a tap. */
class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;

  private constructor(program: string, tap: string) {
    this.#child = new Deno.Command(program, { args: [tap], stdout: "piped" }).spawn();
    this.#lines = new LineReader(this.#child.stdout);
  }

  /** Builds it, starts it, and waits until it listens. */
  static async start(tap: string): Promise<Peer> {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-net-" });
    try {
      const program = join(folder, "net_peer");
      const source = new URL("../net_peer.c", import.meta.url).pathname;
      await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
      const peer = new Peer(program, tap);
      try {
        await peer.#lines.next("the program on the host's side of the tap");
        return peer;
      } catch (error) {
        await peer[Symbol.asyncDispose]();
        throw error;
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill();
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    await this.#lines.cancel();
  }
}

/**
 * How fast sockets between a guest and its host are, beside a pair of Unix sockets with nothing between.
 *
 * The guest is a program that drives the socket device natively (tests/payloads/native/vsock_speed.c), and counts what
 * it gets done in a time that it takes with the time-stamp counter. At the host's sockets is a program in C
 * (bench/vsock_peer.c). The yardstick is another run of that program which does at the same sockets what the guest
 * does. Both check what they receive, and all bytes that go out must have come.
 * @module
 */
import { join } from "node:path";
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, type Picked, takeTurns } from "../compare/rounds.ts";
import { denovisor, type Guest, guestTscKhz, runGuest, typed } from "../monitors/mod.ts";
import { LineReader } from "../line_reader.ts";
import { run, runText } from "../../src/rootfs/command.ts";
import { compile } from "../../tests/payloads/compile.ts";

/** The other side. */
const YARDSTICK = "Unix sockets in C";

/** The kinds in the order in which they are done, by what those who do them call them. */
const KINDS = ["to_host", "to_guest_64k", "round_trip", "to_guest_4k"] as const;

/** How often something was done, or how many bytes went, in a second. */
type Rates = Readonly<Record<typeof KINDS[number], number>>;

const MIB = 2 ** 20;
const GOAL = [{ atLeast: 1024 }];
/** For a start and an end on a busy host, beside what is measured. */
const PATIENCE_MS = 60_000;

const throughput = (name: string, kind: typeof KINDS[number]): Picked<Rates> => ({
  name,
  unit: "MiB/s",
  better: "more",
  pick: (rates) => rates[kind] / MIB,
  goals: GOAL,
});

const PICKED: readonly Picked<Rates>[] = [
  throughput("guest to host, packets of 64 KiB", "to_host"),
  throughput("host to guest, buffers of 64 KiB", "to_guest_64k"),
  throughput("host to guest, buffers of 4 KiB", "to_guest_4k"),
  {
    name: "round trip of 64 bytes",
    unit: "µs",
    better: "less",
    pick: (rates) => 1e6 / rates.round_trip,
  },
];

export const vsock: Subject = {
  name: "vsock",
  title: "Sockets between guest and host",
  about: "A stream in each direction and round trips, between a guest that drives the socket " +
    "device natively and a program in C at the host's Unix sockets, beside two programs in C at " +
    "the same sockets.",
  rig: "direct",
  needs: { gcc: "gcc" },
  extent: { seconds: 20, rounds: 5 },
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-vsock-" });
  try {
    const peer = join(folder, "vsock_peer");
    const source = new URL("../vsock_peer.c", import.meta.url).pathname;
    await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", peer, source]);
    const path = join(folder, "vsock");
    await using host = await HostSide.start(peer, path);

    const seconds = extent.seconds / extent.rounds / 2 / KINDS.length;
    const tscKhz = guestTscKhz();
    const guest: Guest = {
      program: await compile("vsock_speed"),
      parameters: { ticks: Math.round(seconds * tscKhz * 1000) },
      devices: { vsock: path },
    };
    const timeoutMs = PATIENCE_MS + 2000 * seconds * KINDS.length;
    const yardstick: [string, ...string[]] = [peer, path, String(Math.round(seconds * 1e9))];
    const rounds = await takeTurns({
      [OURS]: async () => {
        const text = await runGuest(denovisor, guest, timeoutMs);
        await host.expect(text);
        return readRates(text, tscKhz * 1000);
      },
      [YARDSTICK]: async () => {
        const text = await runText(yardstick);
        await host.expect(text);
        return readRates(text, 1e9);
      },
    }, extent);
    return {
      measures: measures(rounds, PICKED),
      commands: {
        [OURS]: typed(denovisor, guest, { [guest.program]: "$GUEST", [path]: "$SOCKET" }),
        [YARDSTICK]: `vsock_peer $SOCKET ${yardstick[2]}`,
      },
      notes: ["QEMU is no peer here: it has sockets by the host's /dev/vhost-vsock alone."],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The lines `NAME=COUNT/TICKS`, as rates. @param clock ticks in a second */
function readRates(text: string, clock: number): Rates {
  const rate = (kind: string): number => {
    const match = new RegExp(`^${kind}=(\\d+)/(\\d+)$`, "m").exec(text);
    if (match === null) throw new Error(`${kind} was not told, but: ${text}`);
    return Number(match[1]) / Number(match[2]) * clock;
  };
  const [to_host, to_guest_64k, round_trip, to_guest_4k] = KINDS.map(rate);
  return { to_host, to_guest_64k, round_trip, to_guest_4k };
}

/** The program at the host's sockets, until it's disposed of. */
class HostSide implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;

  private constructor(program: string, path: string) {
    const { signal } = this.#over;
    const command = new Deno.Command(program, { args: [path], stdout: "piped", signal });
    this.#child = command.spawn();
    this.#lines = new LineReader(this.#child.stdout);
  }

  /** Starts it, and waits until it listens. */
  static async start(program: string, path: string): Promise<HostSide> {
    const side = new HostSide(program, path);
    try {
      await side.#line();
      return side;
    } catch (error) {
      await side[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Compares what was sent, as `sent=` in `text` says, with what came on the two connections that it went by: one that
   * warmed up, and one that counted.
   *
   * @throws {Error} when some of it has not come
   */
  async expect(text: string): Promise<void> {
    const sent = Number(/^sent=(\d+)$/m.exec(text)?.[1]);
    const came = Number(await this.#line()) + Number(await this.#line());
    if (came !== sent) throw new Error(`${sent} bytes were sent to the host, and ${came} came`);
  }

  #line(): Promise<string> {
    return this.#lines.next("the program at the host's sockets");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#child.status;
    await this.#lines.cancel();
  }
}

/**
 * What is measured of sockets between guests and their host, and the program in C that is at one end of them or at both
 * (bench/vsock_peer.c).
 * @module
 */
import { join } from "node:path";
import type { Goal } from "./compare/report.ts";
import type { Picked } from "./compare/rounds.ts";
import { LineReader } from "./line_reader.ts";
import { run } from "../src/rootfs/command.ts";

/** The kinds in the order in which they are done, by what those who do them call them. */
export const KINDS = ["to_host", "to_guest_64k", "round_trip", "to_guest_4k"] as const;

/** How often something was done, or how many bytes went, in a second. */
export type Rates = Readonly<Record<typeof KINDS[number], number>>;

const MIB = 2 ** 20;

/** What a report says of rates. @param goals of what goes through in either direction, in MiB/s */
export function pickRates(goals: readonly Goal[]): readonly Picked<Rates>[] {
  const throughput = (name: string, kind: typeof KINDS[number]): Picked<Rates> => ({
    name,
    unit: "MiB/s",
    better: "more",
    pick: (rates) => rates[kind] / MIB,
    goals,
  });
  return [
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
}

/** Compiles the program. @param folder where it's put @returns its path; guests without libraries run it, too */
export async function compilePeer(folder: string): Promise<string> {
  const program = join(folder, "vsock_peer");
  const source = new URL("./vsock_peer.c", import.meta.url).pathname;
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-static"];
  await run(["gcc", ...flags, "-o", program, source]);
  return program;
}

/** The lines `NAME=COUNT/TICKS`, as rates. @param clock ticks in a second */
export function readRates(text: string, clock: number): Rates {
  const rate = (kind: string): number => {
    const match = new RegExp(`^${kind}=(\\d+)/(\\d+)$`, "m").exec(text);
    if (match === null) throw new Error(`${kind} was not told, but: ${text}`);
    return Number(match[1]) / Number(match[2]) * clock;
  };
  const [to_host, to_guest_64k, round_trip, to_guest_4k] = KINDS.map(rate);
  return { to_host, to_guest_64k, round_trip, to_guest_4k };
}

/** The program at the host's sockets, until it's disposed of. */
export class HostSide implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;

  private constructor(program: string, place: string) {
    const { signal } = this.#over;
    const command = new Deno.Command(program, { args: [place], stdout: "piped", signal });
    this.#child = command.spawn();
    this.#lines = new LineReader(this.#child.stdout);
  }

  /** Starts it, and waits until it listens. @param place a path, or `@-1` for vsock(7) */
  static async start(program: string, place: string): Promise<HostSide> {
    const side = new HostSide(program, place);
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

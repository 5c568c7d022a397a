/**
 * The process of machines.ts, and what belongs to it: its disk, its tap and the program behind that.
 * @module
 */
import { join } from "node:path";
import { TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { MMIO } from "../../src/cli/self_test/ways.ts";
import { run } from "../../src/rootfs/command.ts";
import { compile } from "../../tests/payloads/compile.ts";
import { LineReader } from "../line_reader.ts";
import type { SoakJob, SoakNews } from "./machines.ts";

/** As soak_traffic.c has it. */
const DISK_BYTES = 16 << 20;

const MACHINES = new URL("./machines.ts", import.meta.url).pathname;

/** The machines of a long run, in a process of their own, until it's disposed of. */
export class SoakChild implements AsyncDisposable {
  readonly pid: number;
  readonly #stack: AsyncDisposableStack;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: LineReader;

  private constructor(child: Deno.ChildProcess, stack: AsyncDisposableStack) {
    this.pid = child.pid;
    this.#stack = stack;
    this.#input = child.stdin.getWriter();
    this.#lines = new LineReader(child.stdout);
  }

  /** The command by which the process is started, but for its job. */
  static readonly command: readonly [string, ...string[]] = [
    Deno.execPath(),
    ...["run", "-A", "--quiet", MACHINES],
  ];

  /** Starts everything. @throws {RootfsError} where gcc is not installed */
  static async start(): Promise<SoakChild> {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "denovisor-soak-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const tap = stack.use(new TestTap());
    const disk = join(folder, "disk.img");
    await Deno.writeFile(disk, new Uint8Array(DISK_BYTES));
    const peer = join(folder, "net_peer");
    const source = new URL("../net_peer.c", import.meta.url).pathname;
    await run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", peer, source]);
    const over = new AbortController();
    const { signal } = over;
    const listener = new Deno.Command(peer, { args: [tap.name], stdout: "piped", signal }).spawn();
    const lines = new LineReader(listener.stdout);
    stack.defer(async () => {
      over.abort();
      await listener.status;
      await lines.cancel();
    });
    // It listens then.
    await lines.next("the program behind the tap");
    const job: SoakJob = {
      exits: await compile("soak_exits"),
      traffic: await compile("soak_traffic"),
      parameters: MMIO.parameters,
      disk,
      tap: tap.name,
    };
    const [program, ...args] = SoakChild.command;
    const child = stack.adopt(
      new Deno.Command(program, {
        args: [...args, JSON.stringify(job)],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
      async (child) => void (await child.status),
    );
    return new SoakChild(child, stack.move());
  }

  /**
   * Asks what the guests have done. The first answer comes when both have begun.
   *
   * @throws {Error} when the process has ended, having said why
   */
  async news(): Promise<SoakNews> {
    await this.#input.write(Uint8Array.of(0x0a));
    return JSON.parse(await this.#lines.next("the process with the machines"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its input's end is its own; one that has ended already has none.
    await this.#input.close().catch(() => {});
    await this.#lines.cancel();
    await this.#stack.disposeAsync();
  }
}

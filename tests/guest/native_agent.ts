/**
 * The agent as a program of this host, which is asked over a Unix socket: the same program that guests have.
 * @module
 */
import { join } from "node:path";
import { Guest } from "../../src/guest/agent/mod.ts";
import { readAsset } from "../../src/parts/mod.ts";

/** Whether this host runs it. */
export const runsAgent: boolean = Deno.build.os === "linux" && Deno.build.arch === "x86_64";

/** A registered test of the agent, ignored by name where the host can't run it. */
export function agentTest(
  name: string,
  fn: (agent: NativeAgent) => Promise<void>,
  possible = true,
): void {
  Deno.test({
    name,
    ignore: !runsAgent || !possible,
    fn: async () => {
      await using agent = await NativeAgent.start();
      await fn(agent);
    },
  });
}

/** The agent's process. */
export class NativeAgent implements AsyncDisposable {
  readonly guest: Guest;
  /** Of the socket. */
  readonly path: string;
  /** A folder of its own. */
  readonly folder: string;
  readonly #child: Deno.ChildProcess;
  /** Has {@linkcode Guest} know that the machine is gone. */
  readonly end: (reason: Error) => void;

  private constructor(child: Deno.ChildProcess, folder: string, path: string) {
    this.#child = child;
    this.folder = folder;
    this.path = path;
    const ended = Promise.withResolvers<Error>();
    this.end = ended.resolve;
    this.guest = new Guest({ connect: () => this.connect(), ended: ended.promise });
  }

  /** Starts it and waits until it listens. */
  static async start(): Promise<NativeAgent> {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-agent-" });
    const [program, path] = ["program", "socket"].map((name) => join(folder, name));
    await Deno.writeFile(program, readAsset("agent"), { mode: 0o755 });
    const command = new Deno.Command(program, {
      args: ["--listen", `unix:${path}`],
      stdin: "null",
      stdout: "null",
    });
    const agent = new NativeAgent(command.spawn(), folder, path);
    while (!(await exists(path))) await new Promise((resolve) => setTimeout(resolve, 2));
    return agent;
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** A new connection to it. */
  async connect(): Promise<Deno.UnixConn> {
    for (;;) {
      try {
        return await Deno.connect({ transport: "unix", path: this.path });
      } catch (error) {
        // There is a moment between a socket's name and its being listened at.
        if (!(error instanceof Deno.errors.ConnectionRefused) || this.#isOver) throw error;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
  }

  #isOver = false;

  /** Kills it, as a guest that crashes would. */
  async kill(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

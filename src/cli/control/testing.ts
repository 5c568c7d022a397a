/**
 * A machine and a command that exist only in a test, behind a real socket.
 * @module
 */
import type { Controlled, GuestCommand, Size } from "./controlled.ts";
import { Places } from "./places.ts";
import type { ExecEnd, MachineInfo, MachineStats, RequestOf, Stopped } from "./protocol.ts";
import { ControlServer } from "./server.ts";
import { ConsoleHub } from "./shared_console.ts";

/** A command whose program is the test. */
export class FakeCommand implements GuestCommand {
  /** What came in, in order: `stdin:…`, `end`, `kill:2`, `size:80x24`, `disposed`. */
  readonly events: string[] = [];
  /** What taking input costs. */
  onInput: () => Promise<void> | void = () => {};
  readonly #status = Promise.withResolvers<ExecEnd>();
  readonly #out = new TransformStream<Uint8Array, Uint8Array>();
  readonly #err = new TransformStream<Uint8Array, Uint8Array>();
  readonly out = this.#out.writable.getWriter();
  readonly err = this.#err.writable.getWriter();
  readonly stdin: WritableStream<Uint8Array> | undefined;
  readonly stdout = this.#out.readable;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly status = this.#status.promise;

  constructor(readonly request: RequestOf<"exec">) {
    for (const { closed } of [this.out, this.err]) closed.catch(() => {});
    this.stderr = request.tty === undefined ? this.#err.readable : undefined;
    if (!request.stdin) return;
    this.stdin = new WritableStream<Uint8Array>({
      write: async (bytes) => {
        await this.onInput();
        this.events.push(`stdin:${new TextDecoder().decode(bytes)}`);
      },
      close: () => void this.events.push("end"),
    });
  }

  print(text: string): Promise<void> {
    return this.out.write(new TextEncoder().encode(text));
  }

  /** Closes the outputs, and ends. */
  async exit(code: number, signal: number | null = null): Promise<void> {
    this.end(code, signal);
    await Promise.all([this.out.close(), this.err.close()].map((closed) => closed.catch(() => {})));
  }

  /** Ends, with the outputs left open. */
  end(code: number, signal: number | null = null): void {
    this.#status.resolve({ code, signal });
  }

  fail(error: Error): void {
    this.#status.reject(error);
  }

  kill(signal: number): Promise<void> {
    this.events.push(`kill:${signal}`);
    return Promise.resolve();
  }

  resize({ columns, rows }: Size): Promise<void> {
    this.events.push(`size:${columns}x${rows}`);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.events.push("disposed");
    return Promise.resolve();
  }
}

/** A machine that does what the test says. */
export class FakeControlled implements Controlled {
  state: MachineInfo["state"] = "running";
  typed = "";
  readonly sizes: Size[] = [];
  readonly commands: FakeCommand[] = [];
  readonly stops: { readonly force: boolean; readonly timeout: number }[] = [];
  /** What each request does before it succeeds. */
  onRequest: () => Promise<void> | void = () => {};
  readonly console = new ConsoleHub(
    (bytes) => {
      this.typed += new TextDecoder().decode(bytes);
      return Promise.resolve();
    },
    (size) => void this.sizes.push(size),
  );

  constructor(private readonly name: string) {}

  info(): MachineInfo {
    return {
      name: this.name,
      pid: 42,
      state: this.state,
      kernel: "vmlinuz",
      cpus: 2,
      memory: 2 ** 29,
      uptime: 61_000,
      agent: true,
    };
  }

  stats(): MachineStats {
    return {
      name: this.name,
      state: this.state,
      uptime: 61_000,
      exits: [{ KVM_EXIT_IO: 7, KVM_EXIT_HLT: 0 }],
      devices: { disk0: { reads: 3 } },
      process: { pid: 42, user: 100, system: 20, resident: 2 ** 26, peak: 2 ** 27 },
    };
  }

  async pause(): Promise<void> {
    await this.onRequest();
    this.state = "paused";
  }

  async resume(): Promise<void> {
    await this.onRequest();
    this.state = "running";
  }

  async stop(options: { readonly force: boolean; readonly timeout: number }): Promise<Stopped> {
    await this.onRequest();
    this.stops.push(options);
    return { how: "stopped" };
  }

  async spawn(request: RequestOf<"exec">): Promise<FakeCommand> {
    await this.onRequest();
    const command = new FakeCommand(request);
    this.commands.push(command);
    return command;
  }
}

/** Machines of a test, in a folder of their own. */
export interface Rig extends AsyncDisposable {
  readonly places: Places;
  /** Starts one. */
  serve(name: string): Promise<{ machine: FakeControlled; server: ControlServer }>;
}

/** Makes a folder for machines. */
export function rig(): Rig {
  const runtime = Deno.makeTempDirSync();
  const around = { runtime, uid: Deno.uid() ?? 0, run: "/none", temporary: "/none" };
  const places = Places.open(around);
  const servers = new AsyncDisposableStack();
  return {
    places,
    async serve(name) {
      const machine = new FakeControlled(name);
      const server = servers.use(new ControlServer(await places.claim(name), machine));
      return { machine, server };
    },
    async [Symbol.asyncDispose]() {
      await servers.disposeAsync();
      await Deno.remove(runtime, { recursive: true });
    },
  };
}

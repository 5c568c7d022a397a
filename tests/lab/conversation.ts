/**
 * Our side of the control port: gives the lab its session script, carries the streams while the
 * command runs, and takes its status. The protocol is described in `init.ts`.
 *
 * @module
 */

import { LabError } from "./errors.ts";
import type { LabOptions, LabResult, LabTiming } from "./options.ts";
import type { Port } from "./ports.ts";
import type { Qemu } from "./qemu.ts";
import { InputPump, lines, OutputPump, writeAll } from "./streams.ts";

const encoder = new TextEncoder();

/** A command's result, with those times that the conversation knows. */
export type Outcome = Omit<LabResult, "timing"> & Omit<LabTiming, "prepared">;

/** One command's run, from the first line of the control port to the last. */
export class Conversation implements Disposable {
  readonly #control: Deno.UnixConn;
  readonly #stdin: Deno.UnixConn;
  readonly #stdout: OutputPump;
  readonly #stderr: OutputPump | undefined;
  readonly #resources = new DisposableStack();
  #booted = 0;
  #started = 0;

  /**
   * @param connections the control port with either the terminal or the three streams.
   * @param session the session script, and the mark that ends each output stream in it.
   * @param options what {@linkcode runInLab} was given.
   * @param onStart called when the command is about to be started.
   */
  constructor(
    connections: ReadonlyMap<Port, Deno.UnixConn>,
    readonly session: { readonly script: string; readonly endMark: string },
    readonly options: LabOptions,
    readonly onStart: () => void,
  ) {
    const connection = (port: Port) => {
      const found = connections.get(port);
      if (found === undefined) throw new Error(`no connection to ${port}`);
      return found;
    };
    const pump = (port: Deno.UnixConn, sink?: WritableStream<Uint8Array>) => {
      return new OutputPump(port, session.endMark, sink);
    };
    this.#control = connection("control");
    if (options.terminal !== undefined) {
      this.#stdin = connection("terminal");
      this.#stdout = pump(this.#stdin, options.stdout);
    } else {
      this.#stdin = connection("stdin");
      this.#stdout = pump(connection("stdout"), options.stdout);
      this.#stderr = pump(connection("stderr"), options.stderr);
    }
  }

  /**
   * Follows the control port until the command has ended and its output is here. Never settles when
   * a port is closed before that.
   *
   * @param now the time since the start, in milliseconds.
   * @throws {LabError} when the lab says that it failed, or says something else than it should.
   * @throws a stream's error, when reading the input or writing the output fails.
   */
  async run(now: () => number, qemu: Qemu): Promise<Outcome> {
    const output = Promise.all([this.#stdout.done, this.#stderr?.done]);
    const [code] = await Promise.all([
      this.#follow(now, qemu),
      output,
    ]);
    return {
      code,
      stdout: this.#stdout.bytes,
      stderr: this.#stderr?.bytes ?? new Uint8Array(0),
      booted: this.#booted,
      started: this.#started,
      ended: now(),
    };
  }

  async #follow(now: () => number, qemu: Qemu): Promise<number> {
    for await (const line of lines(this.#control)) {
      const [, word, rest] = /^(\S+) ?(.*)$/.exec(line) ?? [];
      if (word === "up") {
        this.#booted = now();
        const script = encoder.encode(this.session.script);
        await writeAll(this.#control, encoder.encode(`${script.byteLength}\n`));
        await writeAll(this.#control, script);
      } else if (word === "started") {
        this.#started = now();
        this.#start();
      } else if (word === "exit" && /^\d+$/.test(rest)) {
        return Number(rest);
      } else {
        const problem = word === "failed" ? rest : `its control port says ${JSON.stringify(line)}`;
        throw new LabError("died", `the lab failed: ${problem}`, qemu.output);
      }
    }
    return await new Promise(() => {});
  }

  #start(): void {
    const { terminal, stdin } = this.options;
    this.onStart();
    this.options.onStart?.();
    const input = new InputPump(this.#stdin, stdin, terminal === undefined);
    this.#resources.use(input);
    if (terminal === undefined) return;
    this.#resources.use(terminal.onResize(() => {
      const { rows, columns } = terminal.size();
      // When the lab is ending there is nothing to resize.
      writeAll(this.#control, encoder.encode(`resize ${rows} ${columns}\n`)).catch(() => {});
    }));
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}

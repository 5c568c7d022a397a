/**
 * A program in C that does the same work as a bench, compiled for the occasion.
 * @module
 */
import { runText } from "../src/rootfs/command.ts";

/** A running program, which does one wish after another: a byte of its input asks, a byte of its output answers. */
export class Peer {
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(program: string, args: string[]) {
    const command = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" });
    const child = command.spawn();
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.getReader();
  }

  /**
   * Compiles `name`.c of this folder and runs it.
   *
   * @param directory where the program is put
   */
  static async start(directory: string, name: string, ...args: string[]): Promise<Peer> {
    const program = `${directory}/${name}`;
    const source = new URL(`${name}.c`, import.meta.url).pathname;
    await runText(["gcc", "-O2", "-Wall", "-Werror", "-o", program, source]);
    return new Peer(program, args);
  }

  /** Has a wish done. @param wish one character */
  async run(wish: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(wish));
    const { done } = await this.#output.read();
    if (done) throw new Error("the program in C has ended");
  }
}

/**
 * The console of a machine that a script uses: what the guest prints is kept, to be waited for, and nobody has to read it.
 * @module
 */
import { News } from "../guest/news.ts";
import { PanicScanner } from "../guest/panic.ts";
import type { MachineConsole } from "../machine/mod.ts";
import { Broadcast } from "./broadcast.ts";
import { VmEndedError, VmTimeoutError } from "./errors.ts";
import { waitFor, type WaitOptions } from "./waiting.ts";

/** How much of what was printed is kept, in bytes and in characters. */
const KEPT = 1 << 20;

const encoder = new TextEncoder();

/** A machine's console, from its first start to its end: a reset goes on with the same one. */
export class VmConsole {
  readonly #chunks = new Broadcast<Uint8Array<ArrayBuffer>>(KEPT, ({ length }) => length);
  readonly #onPanic: (message: string) => void;
  #scanner = new PanicScanner();
  #source: MachineConsole | undefined;
  #text = "";
  /** Where the text begins that was not waited for yet. */
  #from = 0;
  #isEnded = false;
  readonly #news = new News();

  /** @param onPanic is called when the guest's kernel has said that it panics, with its message */
  constructor(onPanic: (message: string) => void) {
    this.#onPanic = onPanic;
  }

  /**
   * What the guest has printed and will print, to its last byte. Each stream begins with what is kept: the last MiB.
   * Whoever reads slower than the guest prints misses what is older.
   */
  get output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return ReadableStream.from(this.#chunks.receive());
  }

  /** What the guest has printed, without carriage returns: the last MiB of it. */
  get text(): string {
    return this.#text;
  }

  /** The last lines, made safe to show on a terminal, oldest first. */
  get lastLines(): readonly string[] {
    return this.#scanner.lastLines;
  }

  /** What the guest's kernel said when it panicked; undefined where it did not. */
  get panic(): string | undefined {
    return this.#scanner.panic;
  }

  /**
   * Waits until the guest has printed something. What an earlier call has found, and what is before that, is not
   * looked at again. Carriage returns are left out.
   *
   * ```ts ignore
   * await vm.console.expect(/login: $/, { timeout: "30s" });
   * ```
   *
   * @param pattern text, or a regular expression; it sees everything since the last match
   * @returns the match
   * @throws {VmTimeoutError} when it takes too long; ten seconds by default
   * @throws {VmEndedError} when the machine ends before
   */
  async expect(pattern: string | RegExp, options: WaitOptions = {}): Promise<RegExpExecArray> {
    const expression = typeof pattern === "string" ? new RegExp(RegExp.escape(pattern)) : pattern;
    let isAwaited = true;
    const search = async (): Promise<RegExpExecArray> => {
      while (isAwaited) {
        // A global expression would go on from its last match.
        expression.lastIndex = 0;
        const found = expression.exec(this.#text.slice(this.#from));
        if (found !== null) {
          this.#from += found.index + found[0].length;
          return found;
        }
        if (this.#isEnded) {
          throw new VmEndedError(`the machine has ended before ${pattern}`, this.lastLines);
        }
        await this.#news.next;
      }
      throw new Error("nobody waits any more");
    };
    try {
      return await waitFor(search(), options, (timeout) => {
        return new VmTimeoutError(
          `not on the console within ${timeout}: ${pattern}`,
          this.lastLines,
        );
      });
    } finally {
      isAwaited = false;
    }
  }

  /** Types at the console. Resolves when all is on its way; the guest may have to read some first. */
  async send(input: string | Uint8Array): Promise<void> {
    if (this.#source === undefined) {
      throw new VmEndedError("the machine has no console now", this.lastLines);
    }
    await this.#source.write(typeof input === "string" ? encoder.encode(input) : input);
  }

  /** Types a line, and Enter. */
  async sendLine(line = ""): Promise<void> {
    await this.send(`${line}\n`);
  }

  /** Tells the guest how large the terminal is, where the console's device has a way to. */
  resize(columns: number, rows: number): void {
    this.#source?.resize(columns, rows);
  }

  /**
   * Follows a machine's console to its end. For the owner of this one.
   *
   * @internal
   */
  async follow(source: MachineConsole): Promise<void> {
    this.#source = source;
    this.#scanner = new PanicScanner();
    const decoder = new TextDecoder();
    for await (const chunk of source.output) {
      this.#chunks.send(chunk);
      const before = this.#scanner.panic;
      this.#scanner.push(chunk);
      const { panic } = this.#scanner;
      if (before === undefined && panic !== undefined) this.#onPanic(panic);
      this.#append(decoder.decode(chunk, { stream: true }).replaceAll("\r", ""));
    }
    this.#source = undefined;
  }

  /**
   * Nothing more will be printed. For the owner of this one.
   *
   * @internal
   */
  end(): void {
    this.#isEnded = true;
    this.#chunks.end();
    this.#news.tell();
  }

  #append(text: string): void {
    this.#text += text;
    // Not at every chunk: it copies all that is kept.
    if (this.#text.length > 2 * KEPT) {
      const dropped = this.#text.length - KEPT;
      this.#text = this.#text.slice(dropped);
      this.#from = Math.max(0, this.#from - dropped);
    }
    this.#news.tell();
  }
}

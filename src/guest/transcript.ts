/**
 * What a machine prints on its console, for those who wait for something in it: tests. All of it is kept.
 * @module
 */
import { News } from "./news.ts";

/** How much of what was printed goes into an error. */
const TAIL = 3000;

/** All that a console prints, from now on to its end. */
export class Transcript {
  /** Resolves at the end of the output, and rejects with what cut it off. */
  readonly ended: Promise<void>;
  readonly #context: () => string;
  #text = "";
  /** Where the text begins that was not waited for yet. */
  #from = 0;
  #isEnded = false;
  readonly #news = new News();

  /**
   * @param output is read to its end; carriage returns are left out
   * @param context what an error adds to the end of what was printed
   */
  constructor(output: ReadableStream<Uint8Array<ArrayBuffer>>, context: () => string = () => "") {
    this.#context = context;
    this.ended = this.#follow(output);
    // Whoever waits for something is told that nothing more comes.
    this.ended.catch(() => {});
  }

  /** All that was printed so far. */
  get text(): string {
    return this.#text;
  }

  /** Waits for nothing of what was printed so far. */
  skip(): void {
    this.#from = this.#text.length;
  }

  /**
   * Waits for text that was neither waited for nor skipped yet. The next wait goes on behind it.
   *
   * @param pattern has the line's end in it, where more could follow on the line
   * @param what names it in errors
   * @returns the match, whose input is the text since the last one
   * @throws {Error} it takes longer than so many seconds, or the output ends
   */
  async wait(pattern: RegExp, seconds: number, what: string): Promise<RegExpExecArray> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const found = pattern.exec(this.#text.slice(this.#from));
      if (found !== null) {
        this.#from += found.index + found[0].length;
        return found;
      }
      if (this.#isEnded) throw this.#error(`the machine has ended before ${what}`);
      const left = end - performance.now();
      if (left <= 0) throw this.#error(`not within ${seconds} s: ${what}`);
      let timer;
      const late = new Promise<void>((resolve) => void (timer = setTimeout(resolve, left)));
      await Promise.race([this.#news.next, late]);
      clearTimeout(timer);
    }
  }

  async #follow(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of output) {
        this.#text += decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
        this.#news.tell();
      }
    } finally {
      this.#isEnded = true;
      this.#news.tell();
    }
  }

  #error(problem: string): Error {
    return new Error(`${problem}:\n${this.#text.slice(-TAIL)}\n${this.#context()}`.trimEnd());
  }
}

/**
 * A program's output line by line, for those who wait for one of them.
 * @module
 */

/** Reads a stream's lines one after the other. */
export class LineReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line, without its end. @throws {Error} when the stream ends before; `who` is what it came from */
  async next(who: string): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`${who} has ended`);
      this.#text += value;
    }
    const [line] = this.#text.split("\n", 1);
    this.#text = this.#text.slice(line.length + 1);
    return line;
  }

  /** Wants no more lines. */
  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

/**
 * The text of a stream as it comes, for tests that wait for something in it, however it is cut.
 * @module
 */

/** A stream that is read until something was in it. */
export class StreamText {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Reads on until the text, from where the last call has left off, begins with this.
   *
   * @throws {Error} it does not, or the stream ends
   */
  async expect(wanted: string): Promise<void> {
    while (this.#text.length < wanted.length) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#text += value;
    }
    if (!this.#text.startsWith(wanted)) {
      throw new Error(`${JSON.stringify(wanted)} does not come, but ${JSON.stringify(this.#text)}`);
    }
    this.#text = this.#text.slice(wanted.length);
  }
}

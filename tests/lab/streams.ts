/**
 * Carrying bytes between streams and the lab's ports.
 *
 * @module
 */

import { Buffer } from "node:buffer";

const CHUNK_BYTES = 65_536;

/** Takes what comes out of a port, up to the mark that ends it. */
export class OutputPump {
  readonly #collected: Uint8Array[] = [];

  /**
   * Settles when the mark has come and all before it was passed on; fails when the sink does. Never
   * settles when the port is closed without a mark.
   */
  readonly done: Promise<void>;

  /**
   * @param port the connection to read.
   * @param endMark what comes after the last byte.
   * @param sink where to write what comes; without it, it is kept.
   */
  constructor(port: Deno.UnixConn, endMark: string, sink?: WritableStream<Uint8Array>) {
    this.done = this.#run(port, new EndFinder(endMark), sink);
    this.done.catch(() => {}); // it may fail while nobody waits for it
  }

  async #run(port: Deno.UnixConn, end: EndFinder, sink?: WritableStream<Uint8Array>) {
    const writer = sink?.getWriter();
    try {
      while (!end.found) {
        const buffer = new Uint8Array(CHUNK_BYTES);
        const size = await port.read(buffer);
        if (size === null) return await new Promise<never>(() => {});
        for (const chunk of end.push(buffer.subarray(0, size))) {
          if (writer === undefined) this.#collected.push(chunk);
          else await writer.write(chunk);
        }
      }
    } finally {
      writer?.releaseLock();
    }
  }

  /** What was kept. */
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#collected));
  }
}

/** Finds a mark at the end of a stream that comes in chunks, and holds back what may be its start. */
export class EndFinder {
  readonly #mark: Uint8Array;
  #held = 0;
  /** Whether the mark has come. */
  found = false;

  /** @param mark text in which no proper suffix equals a prefix of the same length. */
  constructor(mark: string) {
    this.#mark = new TextEncoder().encode(mark);
  }

  /** Takes the next chunk and gives what is known to come before the mark, in order. */
  push(chunk: Uint8Array): Uint8Array[] {
    const held = this.#mark.subarray(0, this.#held);
    const all = held.byteLength === 0 ? chunk : new Uint8Array(Buffer.concat([held, chunk]));
    this.#held = this.#overlap(all);
    this.found = this.#held === this.#mark.byteLength;
    const known = all.subarray(0, all.byteLength - this.#held);
    return known.byteLength === 0 ? [] : [known];
  }

  /** The length of the longest end of `bytes` that is a beginning of the mark. */
  #overlap(bytes: Uint8Array): number {
    for (let size = Math.min(this.#mark.byteLength, bytes.byteLength); size > 0; size--) {
      const start = bytes.byteLength - size;
      let same = 0;
      while (same < size && bytes[start + same] === this.#mark[same]) same++;
      if (same === size) return size;
    }
    return 0;
  }
}

/** Copies a stream into a port. */
export class InputPump implements Disposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #disposed = false;

  /** Fails when the source does; otherwise never settles. */
  readonly failed: Promise<never>;

  /**
   * @param port where to copy to.
   * @param source what to copy; nothing without it.
   * @param closing whether the end of the source is the end of the port's input.
   */
  constructor(
    port: Deno.UnixConn,
    source: ReadableStream<Uint8Array> | undefined,
    closing: boolean,
  ) {
    this.#reader = source?.getReader();
    const failure = Promise.withResolvers<never>();
    this.failed = failure.promise;
    this.failed.catch(() => {});
    this.#run(port, closing).catch((error) => {
      // When the lab is gone there is nobody to type to, and how it ended is told elsewhere.
      if (!this.#disposed && !isDisconnected(error)) failure.reject(error);
    });
  }

  async #run(port: Deno.UnixConn, closing: boolean): Promise<void> {
    while (this.#reader !== undefined) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      await writeAll(port, value);
    }
    // Half a close: QEMU would drop what it has not read yet if the whole socket went.
    if (closing) await port.closeWrite();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#reader?.releaseLock();
  }
}

/** Writes all bytes; a single write may take fewer. */
export async function writeAll(port: Deno.UnixConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += await port.write(bytes.subarray(at));
}

/** Whether a write failed because the other end, or our own, is closed. */
function isDisconnected(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.Interrupted;
}

/** Gives what comes out of a port line by line. */
export async function* lines(port: Deno.UnixConn): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(CHUNK_BYTES);
  let text = "";
  for (let size = await port.read(buffer); size !== null; size = await port.read(buffer)) {
    const complete = (text + decoder.decode(buffer.subarray(0, size), { stream: true })).split(
      "\n",
    );
    text = complete.pop() ?? "";
    yield* complete;
  }
}

/**
 * Bytes of a control connection: lines of text first, frames behind them, both of a bounded length.
 *
 * A frame is its type (one byte), the length of its payload (four bytes, little-endian, at most
 * {@linkcode PAYLOAD_LIMIT}), and the payload.
 *
 * | what a peer controls | what bounds it |
 * | --- | --- |
 * | the length of a line | the reader's limit; not a byte more is kept |
 * | the length of a frame | {@linkcode PAYLOAD_LIMIT}, before anything is allocated |
 * | where bytes are split | nothing depends on it |
 * @module
 */

import type { StatusError } from "../errors.ts";
import { EXIT_HOST } from "../exit_status.ts";

/** The most bytes of a frame's payload. */
export const PAYLOAD_LIMIT = 64 << 10;

const HEADER = 5;
const LINE_FEED = 0x0a;
const CHUNK = 16 << 10;

/** The peer does not keep to the protocol. */
export class ProtocolError extends Error implements StatusError {
  override readonly name = "ProtocolError";
  readonly exitStatus = EXIT_HOST;
}

/** A message of a stream. */
export interface Frame {
  /** 0 to 255. */
  readonly type: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Where bytes come from: a connection. */
export interface ByteSource {
  /** The number of bytes read, or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** Where bytes go to: a connection. */
export interface ByteSink {
  /** The number of bytes written. */
  write(bytes: Uint8Array): Promise<number>;
}

/** A frame's bytes. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  if (payload.length > PAYLOAD_LIMIT) throw new RangeError(`a frame of ${payload.length} bytes`);
  const bytes = new Uint8Array(HEADER + payload.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(1, payload.length, true);
  bytes.set(payload, HEADER);
  return bytes;
}

/** Reads lines and frames, however their bytes are split. */
export class FrameReader {
  readonly #source: ByteSource;
  readonly #chunk = new Uint8Array(CHUNK);
  /** What was read and not taken. */
  #rest: Uint8Array = this.#chunk.subarray(0, 0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /**
   * A line without its end; undefined where nothing more comes.
   *
   * @param limit the most bytes that it may have
   * @throws {ProtocolError} it's longer, it is not UTF-8, or the end came inside of it
   */
  async line(limit: number): Promise<string | undefined> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const end = this.#rest.indexOf(LINE_FEED);
      const piece = end === -1 ? this.#rest : this.#rest.subarray(0, end);
      length += piece.length;
      if (length > limit) throw new ProtocolError(`a line is longer than ${limit} bytes`);
      pieces.push(piece.slice());
      this.#rest = this.#rest.subarray(end === -1 ? piece.length : end + 1);
      if (end !== -1) return decode(join(pieces, length));
      if (!await this.#fill()) {
        if (length === 0) return undefined;
        throw new ProtocolError("the connection ended within a line");
      }
    }
  }

  /**
   * A frame; undefined where nothing more comes.
   *
   * @throws {ProtocolError} it's too long, or the end came inside of it
   */
  async frame(): Promise<Frame | undefined> {
    if (this.#rest.length === 0 && !await this.#fill()) return undefined;
    const header = await this.#exactly(HEADER);
    const length = new DataView(header.buffer).getUint32(1, true);
    if (length > PAYLOAD_LIMIT) throw new ProtocolError(`a frame claims to have ${length} bytes`);
    return { type: header[0], payload: await this.#exactly(length) };
  }

  async #exactly(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      if (this.#rest.length === 0 && !await this.#fill()) {
        throw new ProtocolError("the connection ended within a frame");
      }
      const piece = this.#rest.subarray(0, length - done);
      bytes.set(piece, done);
      done += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return bytes;
  }

  /** Reads more, when all is taken. @returns false at the end */
  async #fill(): Promise<boolean> {
    const length = await this.#source.read(this.#chunk);
    if (length === null) return false;
    this.#rest = this.#chunk.subarray(0, length);
    return true;
  }
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ProtocolError("a line is not UTF-8", { cause });
  }
}

/** Writes lines and frames, each of them whole, in the order of the calls. */
export class FrameWriter {
  readonly #sink: ByteSink;
  #last: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Writes a value as a line of JSON. Resolves once the bytes are on their way. */
  line(value: unknown): Promise<void> {
    return this.#write(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  }

  /** Writes a frame, or several where the payload is longer than one may have. */
  async frame(type: number, payload: Uint8Array): Promise<void> {
    let written: Promise<void>;
    let done = 0;
    do {
      const piece = payload.subarray(done, done + PAYLOAD_LIMIT);
      written = this.#write(encodeFrame(type, piece));
      done += piece.length;
    } while (done < payload.length);
    await written;
  }

  #write(bytes: Uint8Array): Promise<void> {
    const written = this.#last.then(async () => {
      for (let done = 0; done < bytes.length;) {
        done += await this.#sink.write(bytes.subarray(done));
      }
    });
    this.#last = written;
    // Whoever has written is told; the next one then fails by itself.
    written.catch(() => {});
    return written;
  }
}

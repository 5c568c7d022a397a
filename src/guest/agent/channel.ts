/**
 * One connection to the agent, as frames.
 * @module
 */
import { type Frame, FrameDecoder } from "./frames.ts";
import { encodeFields, type Field, frame, MAX_PAYLOAD } from "./protocol.ts";
import type { AgentConnection } from "./transport.ts";

/** As much as is gathered before it is written. */
const GATHERED_BYTES = 65536;

/** One connection. One may read while another writes. */
export class Channel implements Disposable {
  readonly #connection: AgentConnection;
  readonly #decoder = new FrameDecoder();
  #gathered: Uint8Array<ArrayBuffer>[] = [];
  #gatheredBytes = 0;
  #isClosed = false;

  constructor(connection: AgentConnection) {
    this.#connection = connection;
  }

  /** Whether this side has closed it. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * The next frame; undefined at the end.
   *
   * @throws {ProtocolError} for what is no frame
   * @throws what the connection throws
   */
  async read(): Promise<Frame | undefined> {
    for (;;) {
      const found = this.#decoder.next();
      if (found !== undefined) return found;
      const count = await this.#connection.read(this.#decoder.room());
      // An end in the middle of a frame is no other than one before it: whoever waits for more is told.
      if (count === null || count === 0) return undefined;
      this.#decoder.filled(count);
    }
  }

  /** Writes a frame that has fields. */
  async sendFields(type: number, fields: Iterable<Field>): Promise<void> {
    await this.send(type, encodeFields(fields));
  }

  /** Writes a frame, behind those that were gathered. */
  async send(type: number, payload: Uint8Array): Promise<void> {
    this.gather(type, payload);
    await this.flush();
  }

  /** Writes bytes as frames of data. */
  async sendData(type: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD) {
      this.gather(type, bytes.subarray(at, at + MAX_PAYLOAD));
      await this.flush();
    }
  }

  /** Writes what is no frame of its own. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }

  /** Puts a frame among those that are written together. @returns whether it's time to {@linkcode flush} */
  gather(type: number, payload: Uint8Array): boolean {
    const bytes = frame(type, payload);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    return this.#gatheredBytes >= GATHERED_BYTES;
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    const gathered = this.#gathered;
    const size = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (gathered.length === 1) return await this.write(gathered[0]);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const piece of gathered) {
      bytes.set(piece, at);
      at += piece.length;
    }
    await this.write(bytes);
  }

  /** Closes it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

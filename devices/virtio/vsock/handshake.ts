/**
 * The first thing that a client on the host says: `CONNECT <port>` in a line, as Firecracker has it.
 * @module
 */
import { bufferAddress, EAGAIN, IoVectors } from "../../../src/ffi/mod.ts";
import type { HostStream, StreamListener } from "./host.ts";
import { PORT_ANY } from "./packet.ts";

/** The longest line, its end among it. */
export const MAX_LINE = 32;
/** How long a client may take to say it, in milliseconds: long enough for one who types. */
export const LINE_TIMEOUT_MS = 30_000;

/** The port that a line without its end asks for; undefined if it doesn't. */
export function parseConnect(line: string): number | undefined {
  const match = /^\s*connect\s+(\d{1,10})\s*$/i.exec(line);
  if (match === null) return undefined;
  const port = Number(match[1]);
  return port < PORT_ANY ? port : undefined;
}

/** Reads lines byte by byte, since what follows a line's end is not for this. One for each isolate's device. */
export class LineReader {
  readonly #byte = new Uint8Array(new SharedArrayBuffer(1));
  readonly #vectors = new IoVectors(1);

  constructor() {
    this.#vectors.set(0, bufferAddress(this.#byte.buffer), 1);
  }

  /** The next byte of a stream; a negative errno, or undefined at its end. */
  next(stream: HostStream): number | undefined {
    const result = stream.readv(this.#vectors, 1);
    if (result === 0) return undefined;
    return result < 0 ? result : this.#byte[0];
  }
}

/** Who hears how a handshake ends. */
export interface HandshakeOwner {
  readonly lines: LineReader;
  /** The client wants this port of the guest's. The stream has what it says next. */
  wants(handshake: Handshake, port: number): void;
  /** The client has said something else, or has gone. */
  failed(handshake: Handshake): void;
}

/** One client that has not said yet what it wants. */
export class Handshake implements StreamListener {
  #line = "";
  #over = false;

  /** @param deadline in milliseconds of the owner's clock */
  constructor(
    readonly owner: HandshakeOwner,
    readonly stream: HostStream,
    public deadline: number,
  ) {
    stream.listener = this;
  }

  readable(): void {
    while (!this.#over) {
      const byte = this.owner.lines.next(this.stream);
      if (byte === -EAGAIN) return;
      if (byte === undefined || byte < 0) return this.#fail();
      if (byte === 0x0a) return this.#finish();
      this.#line += String.fromCharCode(byte);
      if (this.#line.length >= MAX_LINE) this.#fail();
    }
  }

  writable(): void {}

  /** What the client said before it went is of no use to anybody. */
  hungUp(): void {
    if (!this.#over) this.#fail();
  }

  /** Closes the stream without a word. */
  abandon(): void {
    this.#over = true;
    this.stream.close();
  }

  #finish(): void {
    const port = parseConnect(this.#line);
    if (port === undefined) return this.#fail();
    this.#over = true;
    this.owner.wants(this, port);
  }

  #fail(): void {
    this.abandon();
    this.owner.failed(this);
  }
}

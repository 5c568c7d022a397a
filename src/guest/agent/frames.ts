/**
 * Takes frames out of bytes as they come.
 *
 * | the guest controls      | what bounds it                                             |
 * | ----------------------- | ---------------------------------------------------------- |
 * | a frame's length        | {@linkcode MAX_PAYLOAD}; more ends the connection          |
 * | how bytes are cut       | no more is kept than one frame, and what came with it      |
 * | types and reserved bits | reserved bits are zero; types are checked where they are used |
 * @module
 */
import { HEADER_BYTES, MAX_PAYLOAD, ProtocolError } from "./protocol.ts";

/** One frame. */
export interface Frame {
  /** One of {@linkcode FrameType}, if the guest keeps to the protocol. */
  readonly type: number;
  /** Its receiver's own: it shares no bytes with others. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** As much as is read at once: a whole frame of the longest. */
const BUFFER_BYTES = HEADER_BYTES + MAX_PAYLOAD;

/** Bytes in, frames out. */
export class FrameDecoder {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  #start = 0;
  #end = 0;

  /** Where the next bytes go: at least one, unless a frame waits to be taken. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** So many bytes were put into {@linkcode room}. */
  filled(count: number): void {
    this.#end += count;
  }

  /** Whether bytes wait for the rest of their frame. */
  get partial(): boolean {
    return this.#start < this.#end;
  }

  /** The next frame that is complete. @throws {ProtocolError} for what is none */
  next(): Frame | undefined {
    const have = this.#end - this.#start;
    if (have < HEADER_BYTES) return undefined;
    const length = this.#view.getUint32(this.#start, true);
    const word = this.#view.getUint32(this.#start + 4, true);
    if (length > MAX_PAYLOAD || word > 0xff) {
      throw new ProtocolError("the guest's agent has sent what is no frame");
    }
    if (have < HEADER_BYTES + length) return undefined;
    const begin = this.#start + HEADER_BYTES;
    this.#start = begin + length;
    return { type: word, payload: this.#buffer.slice(begin, begin + length) };
  }
}

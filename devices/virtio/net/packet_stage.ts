/**
 * A place where packets can be looked at on their way between the host's end and the guest's buffers.
 *
 * I/O vectors name memory by addresses, which only the kernel follows. So a packet goes through a pair of sockets,
 * written at one end and read at the other at once.
 * @module
 */
import {
  bufferAddress,
  EIO,
  type Fd,
  IoVectors,
  readv,
  socketPair,
  writev,
} from "../../../src/ffi/mod.ts";
import { PACKET_MAX } from "./packet.ts";

/** Room for one packet. Belongs to one isolate. */
export class PacketStage implements Disposable {
  /** The packet's bytes, from the first on. */
  readonly bytes: Uint8Array<SharedArrayBuffer> = new Uint8Array(new SharedArrayBuffer(PACKET_MAX));
  readonly #address = bufferAddress(this.bytes.buffer);
  readonly #vectors = new IoVectors(1);
  readonly #near: Fd;
  readonly #far: Fd;

  /** @throws {SysError} */
  constructor() {
    [this.#near, this.#far] = socketPair("packets that faults are made of");
  }

  /** One vector over so many bytes of the room. */
  vectors(length: number): IoVectors {
    this.#vectors.set(0, this.#address, length);
    return this.#vectors;
  }

  /** Copies what vectors hold to the room. @returns its length; a negative errno */
  gather(vectors: IoVectors, count: number): number {
    const sent = writev(this.#near.raw, vectors, count);
    return sent < 0 ? sent : whole(readv(this.#far.raw, this.vectors(PACKET_MAX), 1), sent);
  }

  /** Copies a packet to where vectors are. They have room for it. @returns its length; a negative errno */
  scatter(packet: Uint8Array, vectors: IoVectors, first: number, count: number): number {
    this.bytes.set(packet);
    const sent = writev(this.#near.raw, this.vectors(packet.length), 1);
    return sent < 0 ? sent : whole(readv(this.#far.raw, vectors, count, first), sent);
  }

  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}

/** What was read, if it is all that was sent. */
function whole(read: number, sent: number): number {
  return read === sent || read < 0 ? read : -EIO;
}

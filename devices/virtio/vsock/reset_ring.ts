/**
 * Resets for packets that belong to no connection, until the guest has buffers for them.
 * @module
 */
import { Op, type PacketHeader } from "./packet.ts";

/** Numbers of one reset: context ids, ports and the type. */
const FIELDS = 5;

/**
 * A ring with room for a fixed number of resets, in which the guest can make no more: one that finds no place is
 * dropped. To wait instead for room could wait for ever, as drivers stop to take packets while their own
 * answers aren't taken.
 */
export class ResetRing {
  readonly #numbers: Float64Array;
  readonly #capacity: number;
  #first = 0;
  #count = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#numbers = new Float64Array(capacity * FIELDS);
  }

  get count(): number {
    return this.#count;
  }

  /** Answers a packet. @returns whether there was a place */
  answer(header: PacketHeader): boolean {
    if (this.#count === this.#capacity) return false;
    const at = ((this.#first + this.#count) % this.#capacity) * FIELDS;
    this.#numbers[at] = header.sourceCid;
    this.#numbers[at + 1] = header.destinationCid;
    this.#numbers[at + 2] = header.sourcePort;
    this.#numbers[at + 3] = header.destinationPort;
    this.#numbers[at + 4] = header.type;
    this.#count++;
    return true;
  }

  /** Fills in the header of the next reset; there is one. */
  next(header: PacketHeader): void {
    const at = this.#first * FIELDS;
    header.destinationCid = this.#numbers[at];
    header.sourceCid = this.#numbers[at + 1];
    header.destinationPort = this.#numbers[at + 2];
    header.sourcePort = this.#numbers[at + 3];
    header.type = this.#numbers[at + 4];
    header.op = Op.reset;
    header.length = 0;
    header.flags = 0;
    header.bufferSize = 0;
    header.forwarded = 0;
    this.#first = (this.#first + 1) % this.#capacity;
    this.#count--;
  }

  clear(): void {
    this.#first = 0;
    this.#count = 0;
  }
}

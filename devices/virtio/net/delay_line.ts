/**
 * Packets on their way, in the order in which they arrive.
 * @module
 */

/** The most packets, and the most bytes of them, that are on their way. What comes on top is lost. */
export const LINE_PACKETS = 4096;
export const LINE_BYTES = 16 << 20;

/** How long a packet waits at most for the one that is to overtake it, in milliseconds. */
export const OVERTAKING_MS = 50;

interface Entry {
  readonly bytes: Uint8Array;
  /** When it arrives, in milliseconds. */
  at: number;
}

/** A bounded line of packets. Belongs to one isolate. */
export class DelayLine {
  /** By the time of their arrival; those of the same moment in the order in which they were put in. */
  readonly #entries: Entry[] = [];
  /** The packet that is to be overtaken by the next. */
  #overtaken: Entry | undefined;
  #bytes = 0;

  /** How many packets are on their way. */
  get length(): number {
    return this.#entries.length + (this.#overtaken === undefined ? 0 : 1);
  }

  /** When the next one arrives; Infinity for an empty line. */
  get next(): number {
    const first = this.#entries[0]?.at ?? Infinity;
    return Math.min(first, this.#overtaken?.at ?? Infinity);
  }

  /**
   * Puts a packet in.
   *
   * @param bytes are kept
   * @param overtaken whether the next packet that is put in arrives before it, if one comes soon
   * @returns whether there was room
   */
  push(bytes: Uint8Array, at: number, overtaken = false): boolean {
    if (this.length >= LINE_PACKETS || this.#bytes + bytes.length > LINE_BYTES) return false;
    this.#bytes += bytes.length;
    const waiting = this.#overtaken;
    this.#overtaken = undefined;
    if (overtaken) this.#overtaken = { bytes, at: at + OVERTAKING_MS };
    else this.#insert({ bytes, at });
    // Behind the one that has overtaken it, unless that is to be overtaken itself.
    if (waiting !== undefined) this.#insert({ bytes: waiting.bytes, at });
    return true;
  }

  /** Takes the next packet that has arrived. */
  take(now: number): Uint8Array | undefined {
    if (this.#overtaken !== undefined && this.#overtaken.at <= now) {
      this.#insert(this.#overtaken);
      this.#overtaken = undefined;
    }
    const first = this.#entries[0];
    if (first === undefined || first.at > now) return undefined;
    this.#entries.shift();
    this.#bytes -= first.bytes.length;
    return first.bytes;
  }

  /** Puts back what was taken last: it arrives later. */
  putBack(bytes: Uint8Array, at: number): void {
    this.#entries.unshift({ bytes, at });
    // None may arrive before it.
    for (const entry of this.#entries) entry.at = Math.max(entry.at, at);
    this.#bytes += bytes.length;
  }

  /** Has all packets arrive now. */
  hurry(): void {
    if (this.#overtaken !== undefined) this.#insert(this.#overtaken);
    this.#overtaken = undefined;
    for (const entry of this.#entries) entry.at = 0;
  }

  /** Loses all packets. */
  clear(): void {
    this.#entries.length = 0;
    this.#overtaken = undefined;
    this.#bytes = 0;
  }

  #insert(entry: Entry): void {
    const entries = this.#entries;
    let place = entries.length;
    while (place > 0 && entries[place - 1].at > entry.at) place--;
    entries.splice(place, 0, entry);
  }
}

/**
 * The buffers that a driver has offered for packets, taken ahead of the packets.
 *
 * How large the next packet is, nobody knows before it is read. So buffers for the largest one are kept at hand, as
 * I/O vectors in a row, and behind them a piece of our own memory that takes what goes beyond. A small packet then
 * costs one buffer taken and one vector set, however many are at hand.
 *
 * Threat table:
 *
 * | the guest controls                   | what bounds it                                                           |
 * | ------------------------------------ | ------------------------------------------------------------------------ |
 * | how many buffers, in how many pieces | the queue's size and the I/O vectors of one call; then no more are taken |
 * | the size of a buffer                 | cut at the largest packet; one without room for a header is an error     |
 * | a part to be read in such a buffer   | an error                                                                 |
 *
 * @module
 */
import { bufferAddress, IOV_MAX, IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { type Virtqueue, VirtqueueError } from "../queue/virtqueue.ts";
import type { NetPort } from "./backend.ts";
import { GSO_TYPE_OFFSET, HEADER_SIZE, NUM_BUFFERS_OFFSET, PACKET_MAX } from "./packet.ts";

/** Buffers of one receive queue, in the order in which they were offered. Allocates no more once it has grown. */
export class ReceiveBuffers {
  /** The bytes that the buffers hold. */
  bytes = 0;
  /** Whether no more can be taken, whatever the driver offers. */
  full = false;
  readonly #queue: Virtqueue;
  readonly #memory: GuestMemory;
  /** A ring of buffers, grown when needed. */
  readonly #chains: DescriptorChain[] = [];
  /** The vectors of each. */
  readonly #pieces: Uint16Array;
  #head = 0;
  #count = 0;
  readonly #vectors = new IoVectors(IOV_MAX);
  /** The first vector of the first buffer. */
  #first = 0;
  /** After the last vector of the last buffer. */
  #end = 0;
  readonly #overflow = new Uint8Array(new SharedArrayBuffer(PACKET_MAX));
  readonly #overflowAddress = bufferAddress(this.#overflow.buffer);

  constructor(queue: Virtqueue, memory: GuestMemory) {
    this.#queue = queue;
    this.#memory = memory;
    this.#pieces = new Uint16Array(queue.size);
  }

  /** How many buffers are at hand. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes buffers from the queue until they hold so many bytes, if the driver has offered as many.
   *
   * @returns whether they do
   * @throws {VirtqueueError}
   */
  gather(bytes: number): boolean {
    while (this.bytes < bytes) {
      if (this.#count === this.#queue.size) {
        this.full = true;
        return false;
      }
      const at = this.#slot(this.#count);
      const chain = this.#chains[at] ??= new DescriptorChain(this.#queue.size);
      if (!this.#queue.pop(chain)) return false;
      if (!this.#add(chain, at)) return false;
    }
    return true;
  }

  #add(chain: DescriptorChain, at: number): boolean {
    if (chain.readableCount > 0 || chain.writableBytes < HEADER_SIZE) {
      const { readableBytes, writableBytes } = chain;
      this.#queue.unpop(chain);
      throw new VirtqueueError(
        `a receive buffer has ${readableBytes} bytes to be read and ${writableBytes} to be written: ` +
          `it needs none and at least ${HEADER_SIZE}`,
      );
    }
    // One vector stays free for what goes beyond the buffers.
    if (this.#end + chain.count >= IOV_MAX) this.#compact();
    if (this.#end + chain.count >= IOV_MAX) {
      this.#queue.unpop(chain);
      this.full = true;
      return false;
    }
    const pieces = chain.writableVectors(this.#memory, 0, PACKET_MAX, this.#vectors, this.#end);
    this.#pieces[at] = pieces;
    this.#end += pieces;
    this.#count++;
    this.bytes += usable(chain);
    return true;
  }

  /** Moves the vectors to the beginning of their array. */
  #compact(): void {
    const count = this.#end - this.#first;
    for (let i = 0; i < count; i++) {
      const from = this.#first + i;
      this.#vectors.set(i, this.#vectors.addressOf(from), this.#vectors.lengthOf(from));
    }
    this.#first = 0;
    this.#end = count;
  }

  /**
   * Reads a packet into all buffers, and what goes beyond them into memory of our own.
   *
   * @returns the packet's length, or a negative errno
   */
  readFrom(port: NetPort): number {
    this.#vectors.set(this.#end, this.#overflowAddress, PACKET_MAX);
    return port.read(this.#vectors, this.#first, this.#end - this.#first + 1);
  }

  /** The gso_type of the packet that was read last. There is at least one buffer. */
  get gsoType(): number {
    return this.#memory.readU8(this.#headerAddress(GSO_TYPE_OFFSET));
  }

  /**
   * Copies what went beyond the buffers, when the packet was read, to those that were taken since.
   *
   * @param held the bytes of the buffers when the packet was read
   * @param length of the packet; the buffers hold as much now
   */
  spill(held: number, length: number): void {
    let before = 0;
    for (let i = 0; i < this.#count && before < length; i++) {
      const chain = this.#chains[this.#slot(i)];
      const size = usable(chain);
      if (before >= held) {
        const rest = this.#overflow.subarray(before - held, Math.min(before + size, length) - held);
        chain.write(this.#memory, 0, rest);
      }
      before += size;
    }
  }

  /**
   * Gives the driver the buffers that a packet was read into; it sees them after the queue's next flush.
   *
   * @param length of the packet, header included: no more than {@linkcode bytes}, and at least the header
   */
  deliver(length: number): void {
    let used = 0;
    for (let size = 0; size < length; used++) size += usable(this.#chains[this.#slot(used)]);
    this.#setNumBuffers(used);
    let rest = length;
    for (let i = 0; i < used; i++) {
      const at = this.#head;
      const chain = this.#chains[at];
      const size = usable(chain);
      this.#queue.push(chain, Math.min(rest, size));
      rest -= size;
      this.bytes -= size;
      this.#first += this.#pieces[at];
      this.#head = this.#slot(1);
      this.#count--;
    }
    this.full = false;
    if (this.#count === 0) this.#rewind();
  }

  /** Gives all buffers back to the queue, as if they had never been taken. */
  release(): void {
    while (this.#count > 0) {
      this.#count--;
      this.#queue.unpop(this.#chains[this.#slot(this.#count)]);
    }
    this.#rewind();
  }

  #rewind(): void {
    this.bytes = 0;
    this.#first = 0;
    this.#end = 0;
    this.full = false;
  }

  /** A tap leaves num_buffers as it was, and it always has a meaning (5.1.6.4.1). */
  #setNumBuffers(count: number): void {
    this.#memory.writeU8(this.#headerAddress(NUM_BUFFERS_OFFSET), count);
    this.#memory.writeU8(this.#headerAddress(NUM_BUFFERS_OFFSET + 1), count >> 8);
  }

  /** Where a byte of the first buffer's header is; the driver may have split it anyhow (2.7.4.1). */
  #headerAddress(offset: number): number {
    const { addresses, lengths } = this.#chains[this.#head];
    let piece = 0;
    let before = offset;
    while (before >= lengths[piece]) before -= lengths[piece++];
    return addresses[piece] + before;
  }

  /** Where in the ring the buffer is that is `index` after the first. */
  #slot(index: number): number {
    const at = this.#head + index;
    return at < this.#queue.size ? at : at - this.#queue.size;
  }
}

/** How many bytes of a buffer are used. */
function usable(chain: DescriptorChain): number {
  return Math.min(chain.writableBytes, PACKET_MAX);
}

/**
 * Data of a read that is not what the disk has.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { Omission } from "./faults.ts";

/** A request whose data has been read. */
interface ReadRequest {
  readonly chain: DescriptorChain;
  readonly memory: GuestMemory;
}

/**
 * Puts zeros in the place of what was read out of a range of the disk, or flips one bit of it.
 *
 * @param offset where on the disk the data begins, in bytes
 * @param length of the data
 */
export function spoil(
  { chain, memory }: ReadRequest,
  { from, to, as, bit }: Omission,
  offset: number,
  length: number,
): void {
  const start = Math.max(from - offset, 0);
  const end = Math.min(to - offset, length);
  if (start >= end) return;
  if (as === "zeros") {
    zero(chain, memory, start, end);
  } else if (as === "flipped") {
    const bits = (end - start) * 8;
    const chosen = Math.min(Math.floor(bit * bits), bits - 1);
    flip(chain, memory, start + (chosen >> 3), chosen & 7);
  }
}

/** Zeros from one byte of the device-writable part to before another. */
function zero(chain: DescriptorChain, memory: GuestMemory, from: number, to: number): void {
  let at = 0;
  for (let i = chain.readableCount; i < chain.count && at < to; i++) {
    const start = Math.max(from - at, 0);
    const end = Math.min(to - at, chain.lengths[i]);
    if (start < end) memory.fill(chain.addresses[i] + start, end - start, 0);
    at += chain.lengths[i];
  }
}

/** Flips a bit of a byte of the device-writable part. */
function flip(chain: DescriptorChain, memory: GuestMemory, byte: number, bit: number): void {
  let before = byte;
  let i = chain.readableCount;
  while (before >= chain.lengths[i]) before -= chain.lengths[i++];
  const address = chain.addresses[i] + before;
  memory.writeU8(address, memory.readU8(address) ^ (1 << bit));
}

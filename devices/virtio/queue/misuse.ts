/**
 * Mistakes of a device's own in the use of a queue. No driver can bring them about.
 * @module
 */
import type { DescriptorChain } from "./chain.ts";

/** A buffer was put back that was not the last one popped. */
export function notLast(queue: number): Error {
  return new Error(`queue ${queue}: only the buffer that was popped last can be put back`);
}

/** A buffer was given back that its queue doesn't know. */
export function notTaken(queue: number, chain: DescriptorChain): Error {
  return new Error(`queue ${queue}: buffer ${chain.id} was given back, but is not under way`);
}

/** More bytes than there's room for are said to be written. */
export function tooMuch(queue: number, chain: DescriptorChain, written: number): Error {
  return new RangeError(
    `queue ${queue}: ${written} bytes can't be written to a buffer with room for ${chain.writableBytes}`,
  );
}

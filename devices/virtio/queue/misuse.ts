/**
 * Mistakes of a device's own in the use of a queue. No driver can bring them about.
 * @module
 */
import type { DescriptorChain } from "./chain.ts";

/** A device used its queue in a way that can't be. */
export class QueueMisuseError extends Error {
  override readonly name = "QueueMisuseError";
}

/** A buffer was put back that was not the last one popped. */
export function notLast(queue: number): QueueMisuseError {
  return new QueueMisuseError(
    `queue ${queue}: only the buffer that was popped last can be put back`,
  );
}

/** A buffer was given back that its queue doesn't know. */
export function notTaken(queue: number, chain: DescriptorChain): QueueMisuseError {
  return new QueueMisuseError(
    `queue ${queue}: buffer ${chain.id} was given back, but is not under way`,
  );
}

/** More bytes than there's room for are said to be written. */
export function tooMuch(queue: number, chain: DescriptorChain, written: number): QueueMisuseError {
  return new QueueMisuseError(
    `queue ${queue}: ${written} bytes can't be written to a buffer with room for ${chain.writableBytes}`,
  );
}

/** A chain has room for fewer pieces than its queue's buffers can have. */
export function tooSmall(queue: number, size: number, chain: DescriptorChain): QueueMisuseError {
  return new QueueMisuseError(
    `queue ${queue}: a chain with room for ${chain.capacity} pieces is too small for ${size} descriptors`,
  );
}

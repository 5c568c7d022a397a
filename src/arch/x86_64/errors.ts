/**
 * What can go wrong before the guest's first instruction.
 * @module
 */

/** The guest can't be set up as asked: the message names the structure or value, and what would help. */
export class BootSetupError extends Error {
  override readonly name = "BootSetupError";
}

/** `0x…`, as addresses are written everywhere. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

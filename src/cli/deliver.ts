/**
 * Text that was asked for, such as a script or a page: a part of it would be worse than none.
 * @module
 */
import { HostError } from "./errors.ts";
import { EXIT_OK, EXIT_OUTPUT_CLOSED } from "./exit_status.ts";
import type { System } from "./system.ts";

/**
 * Writes text to standard output.
 *
 * @returns the exit status: all is written, or its reader has gone
 * @throws {HostError} it can't be written, on a full disk for one
 */
export function deliver(system: System, text: string): number {
  try {
    system.stdout.writeSync(new TextEncoder().encode(text));
    return EXIT_OK;
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) return EXIT_OUTPUT_CLOSED;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HostError(`standard output can't be written: ${reason}`, { cause });
  }
}

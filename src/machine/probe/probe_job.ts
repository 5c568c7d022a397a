/**
 * What the probe and its Worker say to each other.
 * @module
 */
import { currentThread } from "../../ffi/mod.ts";
import { type InstructionResult, tryInstructions } from "./probe_guest.ts";
import type { ProbeTest } from "./probe_payload.ts";

/** In the shared words: set by the main isolate when time is up. */
export const EXPIRED = 0;
/** In the shared words: whom to kick then; set by the Worker. */
export const THREAD = 1;
/** How many words are shared. */
export const WORDS = 2;

/** What the Worker is posted. */
export interface ProbeJob {
  /** {@linkcode WORDS} 32-bit words. */
  readonly words: SharedArrayBuffer;
  readonly tests: readonly ProbeTest[];
}

/** What the Worker answers. */
export type ProbeAnswer =
  | { readonly results: readonly InstructionResult[] }
  /** Why nothing could be tried. */
  | { readonly problem: string };

/** Tries the instructions, in the Worker. */
export function serveProbe({ words: memory, tests }: ProbeJob): ProbeAnswer {
  const words = new Int32Array(memory);
  Atomics.store(words, THREAD, currentThread());
  try {
    return { results: tryInstructions(tests, () => Atomics.load(words, EXPIRED) !== 0) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  } finally {
    Atomics.store(words, THREAD, 0);
  }
}

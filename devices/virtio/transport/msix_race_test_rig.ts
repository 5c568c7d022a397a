/**
 * What both sides of a race between a core and its driver know.
 * @module
 */
import type { VirtioSlot } from "../slot.ts";

/** What is posted to the core's isolate. */
export interface Race {
  readonly slot: VirtioSlot;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly rounds: number;
}

/** The words of a race: the rounds that each side has ended, and how many signals there were. */
export const RaceWord = { raised: 0, checked: 1, signals: 2, count: 3 } as const;

/** How often a side looks before it sleeps: the other one is about to come, if it has a processor. */
const LOOKS = 2000;

/** Waits until the other side has ended a round. */
export function waitFor(words: Int32Array<SharedArrayBuffer>, word: number, round: number): void {
  for (let look = 0; look < LOOKS; look++) {
    if (Atomics.load(words, word) === round) return;
  }
  Atomics.wait(words, word, round - 1);
}

/** Tells the other side that a round has ended. */
export function end(words: Int32Array<SharedArrayBuffer>, word: number, round: number): void {
  Atomics.store(words, word, round);
  Atomics.notify(words, word);
}

/** Numbers below `limit` in an order without a pattern. */
export function scatter(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = Math.imul(state, 1103515245) + 12345;
    return (state >>> 8) % limit;
  };
}

/// <reference lib="deno.worker" />
/**
 * A core that interrupts its driver once in each round of a race.
 * @module
 */
import { openInterrupts } from "../interrupts.ts";
import { end, type Race, RaceWord, scatter, waitFor } from "./msix_race_test_rig.ts";

self.onmessage = ({ data: { slot, words, rounds } }: MessageEvent<Race>) => {
  const interrupts = openInterrupts(slot, () => {
    Atomics.add(words, RaceWord.signals, 1);
  });
  const random = scatter(1);
  for (let round = 1; round <= rounds; round++) {
    waitFor(words, RaceWord.checked, round - 1);
    for (let delay = random(2000); delay > 0; delay--) Atomics.load(words, RaceWord.signals);
    interrupts.queue(0);
    end(words, RaceWord.raised, round);
  }
};

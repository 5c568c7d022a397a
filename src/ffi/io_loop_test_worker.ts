/**
 * The Worker of io_loop_test.ts: signals an eventfd in bursts, or runs a loop of its own.
 * @module
 */
/// <reference lib="deno.worker" />

import { signalEventFd } from "./eventfd.ts";
import { IoLoop } from "./io_loop.ts";

/** What the test posts. */
export type Job =
  | {
    readonly kind: "signal";
    readonly eventfd: number;
    /** Word 0: how many signals were sent; word 1: how many were seen. */
    readonly words: Int32Array<SharedArrayBuffer>;
    readonly signals: number;
    readonly longestBurst: number;
  }
  | { readonly kind: "loop"; readonly eventfd: number };

/** Sends all signals, and waits after each burst until its last one was seen. */
function signal(job: Extract<Job, { kind: "signal" }>): string {
  const { eventfd, words, signals, longestBurst } = job;
  let burst = 1;
  for (let sent = 0; sent < signals;) {
    const end = Math.min(signals, sent + burst);
    while (sent < end) {
      Atomics.store(words, 0, ++sent);
      signalEventFd(eventfd);
    }
    for (;;) {
      const seen = Atomics.load(words, 1);
      if (seen === sent) break;
      if (Atomics.wait(words, 1, seen, 10_000) === "timed-out") return `lost after ${sent}`;
    }
    burst = burst % longestBurst + 1;
  }
  return "done";
}

/** Waits for a signal and a timer in this isolate. */
function loop(eventfd: number): string {
  using loop = new IoLoop();
  const seen: string[] = [];
  const scope = loop.scope((error) => seen.push(String(error)));
  scope.event(eventfd, () => seen.push("event"));
  scope.timer(() => seen.push("timer")).set(20);
  while (!seen.includes("timer")) loop.turn();
  return seen.join(" ");
}

self.onmessage = ({ data }: MessageEvent<Job>) => {
  self.postMessage(data.kind === "signal" ? signal(data) : loop(data.eventfd));
};
self.postMessage("ready");

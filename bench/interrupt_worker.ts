/**
 * The I/O Worker of a measurement: an event loop that signals an irqfd whenever an ioeventfd was signalled, as devices
 * do, and ends when a third one is.
 * @module
 */
/// <reference lib="deno.worker" />

import { IoLoop, signalEventFd } from "../src/ffi/mod.ts";

/** The eventfds of {@linkcode InterruptJob}, by their numbers. */
export interface InterruptJob {
  readonly kick: number;
  readonly interrupt: number;
  readonly stop: number;
}

self.onmessage = ({ data: { kick, interrupt, stop } }: MessageEvent<InterruptJob>) => {
  using loop = new IoLoop();
  const scope = loop.scope((error) => {
    throw error;
  });
  let stopped = false;
  scope.event(kick, () => signalEventFd(interrupt));
  scope.event(stop, () => stopped = true);
  self.postMessage("ready");
  while (!stopped) loop.turn();
  scope.close();
  self.postMessage("stopped");
};

/**
 * The isolate of a {@linkcode Watchdog}.
 * @module
 */
/// <reference lib="deno.worker" />

import { watch, type WatchdogJob } from "./watchdog.ts";

self.onmessage = ({ data }: MessageEvent<WatchdogJob>) => {
  watch(data);
  self.close();
};

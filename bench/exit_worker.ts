/**
 * The vCPU's Worker of a measurement: takes one {@linkcode ExitJob}, runs it, tells how it ended.
 * @module
 */
/// <reference lib="deno.worker" />

import { type ExitJob, ExitRunLoop } from "./exit_run_loop.ts";

self.onmessage = ({ data }: MessageEvent<ExitJob>) => {
  self.postMessage(new ExitRunLoop(data).run());
};

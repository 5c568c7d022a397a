/**
 * The vCPU's Worker of a measurement: takes one {@linkcode ExitJob}, says that it is there, and runs it when the word
 * is given; then it tells how that ended.
 * @module
 */
/// <reference lib="deno.worker" />

import { type ExitJob, ExitRunLoop } from "./exit_run_loop.ts";

let loop: ExitRunLoop | undefined;

self.onmessage = ({ data }: MessageEvent<ExitJob | "run">) => {
  if (data !== "run") {
    loop = new ExitRunLoop(data);
    self.postMessage("ready");
  } else if (loop !== undefined) self.postMessage(loop.run());
};

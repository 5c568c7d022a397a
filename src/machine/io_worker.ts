/**
 * The entry point of an I/O Worker: takes one job and does it.
 * @module
 */
/// <reference lib="deno.worker" />

import { type IoJob, type IoMessage, runIoJob } from "./io_job.ts";

const post = (message: IoMessage) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<IoJob>) => {
  try {
    runIoJob(data, post);
  } catch (error) {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    post({ kind: "failed", error: text });
  }
};

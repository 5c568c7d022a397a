/**
 * The entry point of an I/O Worker: takes one job and does it.
 * @module
 */
/// <reference lib="deno.worker" />

import { type IoJob, type IoMessage, startIoJob } from "./io_job.ts";

const post = (message: IoMessage) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<IoJob>) => startIoJob(data, post);

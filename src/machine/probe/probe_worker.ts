/**
 * The entry point of the probe's Worker: takes one job, does it, answers.
 * @module
 */
/// <reference lib="deno.worker" />

import { type ProbeJob, serveProbe } from "./probe_job.ts";

self.onmessage = ({ data }: MessageEvent<ProbeJob>) => self.postMessage(serveProbe(data));

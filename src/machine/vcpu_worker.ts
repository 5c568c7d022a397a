/**
 * The entry point of a vCPU's Worker: takes one job, runs it, tells how it ended.
 * @module
 */
/// <reference lib="deno.worker" />

import { runVcpuJob, type VcpuJob } from "./vcpu_job.ts";
import type { VcpuMessage } from "./vcpu_thread.ts";

self.onmessage = ({ data }: MessageEvent<VcpuJob>) => {
  let message: VcpuMessage;
  try {
    message = { stop: runVcpuJob(data) };
  } catch (error) {
    message = { error: error instanceof Error ? error.stack ?? error.message : String(error) };
  }
  self.postMessage(message);
};

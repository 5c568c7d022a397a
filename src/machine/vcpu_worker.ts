/**
 * The entry point of a vCPU's Worker: takes one job, runs it, tells how it ended.
 * @module
 */
/// <reference lib="deno.worker" />

import { startVcpuJob, type VcpuJob } from "./vcpu_job.ts";
import type { VcpuMessage } from "./vcpu_thread.ts";

const post = (message: VcpuMessage) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<VcpuJob>) => startVcpuJob(data, post);

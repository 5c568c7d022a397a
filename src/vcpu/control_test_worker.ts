/**
 * The Worker of control_test.ts: parks as a vCPU's run loop does.
 * @module
 */
/// <reference lib="deno.worker" />

import { currentThread } from "../ffi/mod.ts";
import { VcpuControl, type VcpuControlSpec } from "./control.ts";

self.onmessage = ({ data }: MessageEvent<VcpuControlSpec>) => {
  const control = VcpuControl.attach(data);
  control.enterThread(currentThread());
  control.park();
  const { requests } = control;
  control.leave();
  self.postMessage(requests);
};

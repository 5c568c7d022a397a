/**
 * Runs a vCPU of another isolate, until it exits or is interrupted, and says how.
 * @module
 */
import { currentThread } from "../ffi/mod.ts";
import { Vcpu, type X86VcpuSpec } from "./mod.ts";

/** What the test posts. */
export interface RunRequest {
  readonly spec: X86VcpuSpec;
  /** Gets this thread's number at index 0, before the vCPU runs. */
  readonly thread: SharedArrayBuffer;
}

/** What it is answered. */
export interface RunAnswer {
  readonly result: number;
  readonly exitReason: number;
}

declare const self: {
  onmessage: ((event: MessageEvent<RunRequest>) => void) | null;
  postMessage(answer: RunAnswer): void;
};

self.onmessage = ({ data: { spec, thread } }) => {
  using vcpu = Vcpu.attach(spec);
  const word = new Int32Array(thread);
  Atomics.store(word, 0, currentThread());
  Atomics.notify(word, 0);
  const result = vcpu.run();
  self.postMessage({ result, exitReason: vcpu.kvmRun.exitReason });
};

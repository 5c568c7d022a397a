/// <reference lib="deno.worker" />
/**
 * A core that lets go of its queues only a while after its driver has asked for a reset.
 * @module
 */
import { type SharedSpec, VirtioShared, Word } from "../shared.ts";

self.onmessage = ({ data }: MessageEvent<SharedSpec>) => {
  const shared = new VirtioShared(data);
  self.postMessage("ready");
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  while (shared.get(Word.reset) === 0) Atomics.wait(nobody, 0, 0, 5);
  Atomics.wait(nobody, 0, 0, 50);
  shared.finishReset();
};

import assert from "node:assert/strict";
import { REQUEST_PAUSE, REQUEST_STOP, VcpuControl, VcpuState } from "./control.ts";

/** A Worker that parks once, as a vCPU's run loop does, and posts the requests it then sees. */
function parkInWorker(control: VcpuControl): { parked: Promise<number>; end(): void } {
  const url = new URL("./control_test_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const parked = new Promise<number>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage(control.spec);
  return { parked, end: () => worker.terminate() };
}

Deno.test("a new vCPU is to park, and goes on once the pause is withdrawn", async () => {
  const control = VcpuControl.create();
  const { parked, end } = parkInWorker(control);
  await control.settled();
  assert.equal(control.state, VcpuState.paused);
  control.withdraw(REQUEST_PAUSE);
  assert.equal(await parked, 0);
  end();
});

Deno.test("a stop wakes a vCPU that is parked, though the pause stands", async () => {
  const control = VcpuControl.create();
  const { parked, end } = parkInWorker(control);
  await control.settled();
  control.request(REQUEST_STOP, () => {});
  assert.equal(await parked, REQUEST_PAUSE | REQUEST_STOP);
  end();
});

Deno.test("a request sets immediate_exit after the bit that the vCPU will look for", () => {
  const control = VcpuControl.create();
  control.withdraw(REQUEST_PAUSE);
  let seen = -1;
  control.request(REQUEST_PAUSE, () => seen = control.requests);
  assert.equal(seen, REQUEST_PAUSE);
});

Deno.test("a vCPU that has left is settled", async () => {
  const control = VcpuControl.create();
  control.leave();
  await control.settled();
  assert.equal(control.state, VcpuState.stopped);
});

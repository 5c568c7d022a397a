import assert from "node:assert/strict";
import { VcpuMoments } from "./moments.ts";

Deno.test("moments are told in the clock of whoever reads them, and are not there before", () => {
  const memory = VcpuMoments.allocate();
  const [vcpu, owner] = [new VcpuMoments(memory), new VcpuMoments(memory)];
  assert.deepEqual([owner.attached, owner.entered], [undefined, undefined]);
  const before = performance.now();
  vcpu.noteAttached();
  const after = performance.now();
  assert(owner.attached! >= before - 0.01 && owner.attached! <= after + 0.01);
  assert.equal(owner.entered, undefined);
  vcpu.noteEntered();
  assert(owner.entered! >= owner.attached!);
});

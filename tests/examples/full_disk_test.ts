/**
 * A test with a machine: what a program does when its disk is full.
 *
 *     deno test -A tests/examples/full_disk_test.ts
 *
 * @module
 */
import assert from "node:assert/strict";
import { vmTest } from "denovisor/test";

vmTest("survives a full disk", {
  kernel: { debian: "cloud" },
  memory: "256M",
  disks: [{ size: "4M" }],
}, async (vm) => {
  const { code, stderrText } = await vm.guest.exec(["dd", "if=/dev/zero", "of=/dev/vda", "bs=1M"]);
  assert.equal(code, 1);
  assert.match(stderrText, /No space left on device/);
  assert.equal(vm.metrics.devices.disk0.written_bytes, 4 << 20);
});

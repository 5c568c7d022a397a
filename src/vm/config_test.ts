import assert from "node:assert/strict";
import { needsLinux, prepare, type StartConfig } from "./config.ts";

const BYTES = { name: "payload", bytes: Uint8Array.of(0xf4) };

Deno.test("a machine without a root is the core's as it is, with disks of a size in memory", async () => {
  await using prepared = await prepare({
    kernel: BYTES,
    memory: "16M",
    onReset: "restart",
    disks: ["a.img", { size: "64M" }, { path: "b.img", ro: true }],
  }, {});
  assert.deepEqual(prepared.config, {
    kernel: BYTES,
    memory: "16M",
    disks: ["a.img", { memory: "64M" }, { path: "b.img", ro: true }],
  });
  assert.equal(prepared.onReset, "restart");
  assert.equal(prepared.agent, undefined);
});

Deno.test("fields that mean nothing together are refused by name, before anything is fetched or built", async () => {
  const wrong: [StartConfig, RegExp][] = [
    [{ kernel: BYTES, rootSize: "1G" }, /^rootSize: it is for a machine with a rootfs/],
    [{ kernel: "vmlinuz", hostname: "x" }, /^hostname: /],
    [{ kernel: BYTES, rootfs: "busybox" }, /^kernel: with a rootfs it is a file/],
    [{ rootfs: "busybox", initrd: "initrd.img" }, /^initrd: a rootfs brings one of its own/],
    [{ rootfs: "/some/folder", rootSize: "much" }, /^rootSize: "much" is no size/],
  ];
  for (const [config, message] of wrong) {
    await assert.rejects(prepare(config, {}), (error) => {
      assert(error instanceof TypeError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("what boots Linux is known without looking at files", () => {
  assert.equal(needsLinux({}), true);
  assert.equal(needsLinux({ rootfs: "busybox" }), true);
  assert.equal(needsLinux({ kernel: { debian: "cloud" } }), true);
  assert.equal(needsLinux({ kernel: "vmlinuz", initrd: "initrd.img" }), true);
  assert.equal(needsLinux({ kernel: "payload.elf" }), false);
  assert.equal(needsLinux({ kernel: BYTES }), false);
});

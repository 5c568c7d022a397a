import assert from "node:assert/strict";
import { CAN_MAKE_TAPS, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { descendants, tidily } from "./cleanup.ts";

Deno.test("what fails leaves no files, processes of processes, and variables as they were", async () => {
  const before = Deno.env.get("TMPDIR");
  let folder = "";
  let child: Deno.ChildProcess | undefined;
  await assert.rejects(
    tidily(async () => {
      folder = await Deno.makeTempDir();
      const args = ["-c", "sleep 1000 & echo started; wait"];
      child = new Deno.Command("sh", { args, stdout: "piped" }).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      await reader.cancel();
      assert.equal(descendants(child.pid).length, 1);
      throw new Error("enough");
    }),
    /enough/,
  );
  assert.equal((await child!.status).signal, "SIGKILL");
  assert.deepEqual(descendants(Deno.pid), []);
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
  assert.equal(Deno.env.get("TMPDIR"), before);
});

Deno.test({
  name: "what fails leaves no taps" + (CAN_MAKE_TAPS ? "" : " [needs permission to make taps]"),
  ignore: !CAN_MAKE_TAPS,
  async fn() {
    const first = new TestTap();
    const second = new TestTap();
    // Those of others stay: this one is of a process that isn't ours.
    const other = `nv${(1).toString(36)}t${Date.now() % 1000}`;
    ip("tuntap", "add", "dev", other, "mode", "tap");
    try {
      await assert.rejects(tidily(() => Promise.reject(new Error("enough"))), /enough/);
      const there = [...Deno.readDirSync("/sys/class/net")].map(({ name }) => name);
      assert.ok(!there.includes(first.name) && !there.includes(second.name));
      assert.ok(there.includes(other));
    } finally {
      ip("link", "del", other);
    }
  },
});

function ip(...args: string[]): void {
  assert.ok(new Deno.Command("ip", { args }).outputSync().success);
}

import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { slotFolder, takeSlot } from "./slots.ts";

Deno.test("no more slots are taken at once than there are, and each is given on", () =>
  withFolder(async (folder) => {
    let now = 0;
    let most = 0;
    await Promise.all(Array.from({ length: 7 }, async () => {
      using _slot = await takeSlot(undefined, folder, 3);
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 20));
      now--;
    }));
    assert.equal(most, 3);
  }));

Deno.test("another process's slots count, and are free when it has ended", () =>
  withFolder(async (folder) => {
    const module = import.meta.resolve("./slots.ts");
    const script = `import { takeSlot } from ${JSON.stringify(module)};
      await takeSlot(undefined, Deno.args[0], 1);
      console.log("taken");
      await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", script, folder],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await assert.rejects(takeSlot(AbortSignal.timeout(200), folder, 1), { name: "TimeoutError" });
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    using _slot = await takeSlot(AbortSignal.timeout(10_000), folder, 1);
  }));

Deno.test("the folder of the slots is its user's alone, and nothing else is taken for it", () =>
  withFolder(async (runtime) => {
    const around = { runtime, uid: Deno.uid() ?? 0, run: "/none", temporary: "/none" };
    const folder = slotFolder(around);
    assert.equal(folder, join(runtime, "denovisor-slots"));
    using _slot = await takeSlot(undefined, folder, 1);
    await Deno.chmod(folder, 0o755);
    assert.throws(() => slotFolder(around), /others may use it, for its mode is 755/);
    await Deno.chmod(folder, 0o700);
    await Deno.rename(folder, join(runtime, "elsewhere"));
    await Deno.symlink("elsewhere", folder);
    assert.throws(() => slotFolder(around), /it is not a folder/);
  }));

/**
 * Stock kernels as scripts use them.
 * @module
 */
import assert from "node:assert/strict";
import { GuestGoneError, Machine, VmEndedError } from "../../mod.ts";
import { vmTest, type VmTestConfig } from "../../src/vm/test.ts";

const BUSYBOX = {
  kernel: { debian: "cloud" },
  rootfs: { busybox: true },
  memory: "256M",
} as const satisfies VmTestConfig;

vmTest(
  "a guest runs commands, takes files and gives them back",
  { ...BUSYBOX, cpus: 2 },
  async (vm, t) => {
    const { guest } = vm;
    await t.step("a command's output, status and errors come apart", async () => {
      const { code, stdoutText } = await guest.exec(["uname", "-s"]);
      assert.deepEqual([code, stdoutText], [0, "Linux\n"]);
      const both = await guest.exec(["sh", "-c", "echo out; echo err >&2; exit 7"]);
      assert.deepEqual([both.code, both.stdoutText, both.stderrText], [7, "out\n", "err\n"]);
      assert.equal((await guest.exec(["nproc"])).stdoutText, "2\n");
    });

    await t.step("64 MiB pass through a command unchanged", async () => {
      const bytes = new Uint8Array(64 << 20);
      for (let at = 0; at < bytes.length; at += 65_536) {
        crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      }
      const { stdout } = await guest.exec(["cat"], { stdin: bytes, timeout: "5m" });
      const digest = async (of: Uint8Array<ArrayBuffer>) =>
        new Uint8Array(await crypto.subtle.digest("SHA-256", of)).toHex();
      assert.equal(stdout.length, bytes.length);
      assert.equal(await digest(stdout), await digest(bytes));
    });

    await t.step("sixteen commands run at once", async () => {
      const outs = await Promise.all(Array.from({ length: 16 }, async (_, i) => {
        return (await guest.exec(["sh", "-c", `sleep 1; echo ${i}`], { timeout: "2m" })).stdoutText;
      }));
      assert.deepEqual(outs, Array.from({ length: 16 }, (_, i) => `${i}\n`));
    });

    await t.step("a command is killed", async () => {
      await using process = await guest.spawn(["sleep", "1000"]);
      process.kill("SIGTERM");
      assert.equal((await process.status).signal, "SIGTERM");
    });

    await t.step("what is paused answers when it goes on", async () => {
      await vm.pause();
      const answer = guest.exec(["echo", "late"], { timeout: "1m" });
      await new Promise((resolve) => setTimeout(resolve, 300));
      vm.resume();
      assert.equal((await answer).stdoutText, "late\n");
    });
  },
);

vmTest("a guest that dies in the middle of a command is an error at once", BUSYBOX, async (vm) => {
  const running = vm.guest.exec(["sleep", "1000"], { timeout: "10m" });
  const began = performance.now();
  const panic = vm.guest.exec(["sh", "-c", "echo c > /proc/sysrq-trigger"], { timeout: "10m" });
  await Promise.all([running, panic].map((command) =>
    assert.rejects(command, (error) => {
      assert(error instanceof GuestGoneError || error instanceof VmEndedError, `${error}`);
      assert.match(error.message, /panic|sysrq/i);
      return true;
    })
  ));
  assert(performance.now() - began < 120_000);
  assert.equal((await vm.ended).kind, "panic");
  assert.match((await vm.event("panic")).message, /sysrq/i);
});

vmTest("a guest is reset, and is ready again", BUSYBOX, async (vm) => {
  await vm.guest.exec(["touch", "/root/mark"]);
  await vm.reset();
  const { code } = await vm.guest.exec(["test", "-e", "/root/mark"], { timeout: "2m" });
  assert.equal(code, 1);
});

vmTest("four guests run at once", BUSYBOX, async (first) => {
  await using stack = new AsyncDisposableStack();
  const others = await Promise.all(Array.from({ length: 3 }, async () => {
    return stack.use(await Machine.start({ ...BUSYBOX, hostname: "other" }));
  }));
  const names = await Promise.all([first, ...others].map(async ({ guest }) => {
    return (await guest.exec(["hostname"], { timeout: "1m" })).stdoutText;
  }));
  assert.deepEqual(names, ["vm\n", "other\n", "other\n", "other\n"]);
  await others[0].guest.exec(["sh", "-c", "echo c > /proc/sysrq-trigger"]).catch(() => {});
  assert.equal((await others[0].ended).kind, "panic");
  for (const { guest } of [first, others[1], others[2]]) {
    assert.equal((await guest.exec(["true"])).code, 0);
  }
});

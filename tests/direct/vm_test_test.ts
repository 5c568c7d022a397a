/**
 * `vmTest`, as `deno test` runs it.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { testDirect } from "./payload_machine.ts";

const ROOT = join(import.meta.dirname!, "../..");

/** What tests begin with: a machine that prints "ready", gives back what is typed, and ends at a NUL. */
const HEAD = `
import assert from "node:assert/strict";
import { vmTest } from "denovisor/test";
import { readAsset } from ${JSON.stringify(join(ROOT, "src/parts/mod.ts"))};
const echo = {
  kernel: { name: "echo", bytes: readAsset("echo") },
  protocol: "flat", flat: { mode: 64 }, memory: "16M",
} as const;
`;

/** Runs `deno test` on a file with these tests. */
async function runTests(
  tests: string,
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "some_test.ts");
    await Deno.writeTextFile(file, HEAD + tests);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--config", join(ROOT, "deno.json"), file],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

testDirect(
  "a test gets a machine that runs, and one is ignored by name that the host can't run",
  async () => {
    const { code, text } = await runTests(`
    vmTest("talks", echo, async (vm, t) => {
      await vm.console.expect("ready");
      await t.step("a step", async () => {
        await vm.console.send("hello");
        await vm.console.expect("hello");
      });
    });
    vmTest("is left out", { ...echo, ignore: true }, () => assert.fail());
    vmTest("wants a kernel", { kernel: "/nonexistent", initrd: "/nonexistent" }, () => assert.fail());
  `);
    assert.match(text, /talks \.\.\./);
    assert.match(text, /a step \.\.\. ok/);
    assert.match(text, /is left out \.\.\. ignored/);
    if (/needs a KVM that runs stock kernels/.test(text)) {
      assert.match(text, /wants a kernel \(needs a KVM that runs stock kernels\) \.\.\. ignored/);
      assert.equal(code, 0, text);
    } else {
      // Where the host can, the machine can't be made, which is a failure.
      assert.match(text, /wants a kernel \.\.\. FAILED/);
      assert.match(text, /nonexistent/);
    }
  },
);

testDirect("a test that fails tells of its machine: state, events, exits, console", async () => {
  const { code, text } = await runTests(`
    vmTest("fails", echo, async (vm) => {
      await vm.console.expect("ready");
      await vm.pause();
      assert.equal(1, 2);
    });
  `);
  assert.equal(code, 1);
  assert.match(text, /the machine was paused when the test failed; its events:/);
  assert.match(text, /\d s {2}started/);
  assert.match(text, /\d s {2}paused/);
  assert.match(text, /vCPU 0: \{.*"KVM_EXIT_IO":\d+/);
  assert.match(text, /last lines:\n {2}ready/);
  assert.match(text, /1 !== 2/);
});

testDirect("a test whose time is up ends with its machine, and the next one runs", async () => {
  const { code, text } = await runTests(`
    vmTest("hangs", { ...echo, timeout: "1s" }, () => new Promise(() => {}));
    vmTest("follows", echo, async (vm) => void await vm.console.expect("ready"));
  `);
  assert.equal(code, 1);
  assert.match(text, /hangs \.\.\. FAILED/);
  assert.match(text, /the test takes longer than 1 s/);
  assert.match(text, /follows \.\.\. ok/);
});

testDirect("a number of machines that is none is refused", async () => {
  const { code, text } = await runTests(`vmTest("runs", echo, () => {});`, {
    DENOVISOR_TEST_MACHINES: "many",
  });
  assert.equal(code, 1);
  assert.match(text, /DENOVISOR_TEST_MACHINES is a number of machines \(got many\)/);
});

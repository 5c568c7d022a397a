/**
 * Machines under `deno test --watch` and `deno run --watch`, which begin anew in one process.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { testDirect } from "./payload_machine.ts";

const ROOT = join(import.meta.dirname!, "../..");

/** How long a watching Deno may take, in milliseconds. */
const LIMIT = 120_000;

/** A machine that prints "ready" and then waits for something typed. */
const HEAD = `
import { Machine } from "denovisor";
import { readAsset } from ${JSON.stringify(join(ROOT, "src/parts/mod.ts"))};
const echo = {
  kernel: { name: "echo", bytes: readAsset("echo") },
  protocol: "flat", flat: { mode: 64 }, memory: "16M",
} as const;
/** How many virtual machines this process has. */
const machines = () => [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
  try {
    return Deno.readLinkSync("/proc/self/fd/" + name).endsWith(":kvm-vm");
  } catch {
    return false; // it's of this listing
  }
}).length;
`;

/**
 * Runs a file under a watching Deno, and changes it each time that it has said a word.
 *
 * @param source the file's text; `WORD` in it is "first", then "second"
 * @returns all that was printed up to the line with "second"
 */
async function watched(verb: "run" | "test", source: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  const file = join(folder, verb === "test" ? "some_test.ts" : "script.ts");
  const write = (word: string) => Deno.writeTextFile(file, HEAD + source.replaceAll("WORD", word));
  await write("first");
  const child = new Deno.Command(Deno.execPath(), {
    args: [verb, "-A", "--no-check", "--watch", "--config", join(ROOT, "deno.json"), file],
    env: {
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      XDG_RUNTIME_DIR: folder,
      DENOVISOR_TEST_MACHINES: "1",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
  try {
    let seen = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const had = seen;
      seen += text;
      if (!/first.*\n/.test(had) && /first.*\n/.test(seen)) await write("second");
      if (/second.*\n/.test(seen)) break;
    }
    return seen;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(folder, { recursive: true });
  }
}

testDirect(
  "what a watching deno test has under way gives its machine and its turn back",
  async () => {
    // There's room for one machine, for which the second test waits.
    const seen = await watched(
      "test",
      `
    import { vmTest } from "denovisor/test";
    vmTest("waits", echo, async (vm) => {
      await vm.console.expect("ready");
      console.log("WORD", machines());
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    });
    vmTest("follows", echo, () => console.log("WORD of another test"));
  `,
    );
    assert.match(seen, /^first 1$/m);
    assert.match(seen, /waits \.\.\. FAILED/);
    assert.match(seen, /follows \.\.\. FAILED/);
    assert.match(seen, /^second 1$/m);
  },
);

testDirect(
  "a machine of a script is given back when the watching deno run begins anew",
  async () => {
    const seen = await watched(
      "run",
      `
    const vm = await Machine.start(echo);
    await vm.console.expect("ready");
    console.log("WORD", machines());
    await vm.ended;
  `,
    );
    assert.match(seen, /^first 1$/m);
    assert.match(seen, /^second 1$/m);
  },
);

testDirect(
  "what is being built when a watching deno run begins anew is left, and not the watching",
  async () => {
    const seen = await watched(
      "run",
      `
    import { cached } from ${JSON.stringify(join(ROOT, "src/rootfs/cache.ts"))};
    const folder = Deno.env.get("XDG_RUNTIME_DIR")!;
    console.log("WORD", [...Deno.readDirSync(folder)].filter(({ name }) => /new-/.test(name)).length);
    await cached("item", async (_path, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }, { folder }).catch(() => {});
  `,
    );
    assert.match(seen, /^first 0$/m);
    assert.match(seen, /^second 0$/m);
  },
);

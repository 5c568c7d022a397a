/**
 * The program itself, as a process: what a user sees of it without a guest.
 * @module
 */
import assert from "node:assert/strict";
import { denovisor, programTest } from "./process.ts";

programTest("help and version are on standard output with status 0", async () => {
  const help = await denovisor(["--help"]);
  assert.deepEqual([help.status, help.err], [0, ""]);
  assert.match(help.out, /^Usage: denovisor VERB/);
  const run = await denovisor(["help", "run"]);
  assert.deepEqual([run.status, run.err], [0, ""]);
  assert.match(run.out, /--timeout <TIME>/);
  const version = await denovisor(["--version"]);
  assert.equal(version.status, 0);
  assert.match(version.out, /^denovisor \d+\.\d+\.\d+ \(.*Deno \d.*, V8 \d.*\)\n$/);
});

programTest(
  "a command line that can't be understood ends with status 123 and a suggestion",
  async () => {
    for (
      const [args, message] of [
        [["rnu"], /^denovisor: unknown command 'rnu' \(Did you mean run\?\)/],
        [
          ["run", "k", "--cpu", "2"],
          /^denovisor: unknown option '--cpu' \(Did you mean --cpus\?\)/,
        ],
        [["run", "k", "--timeout", "x"], /^denovisor: option '--timeout <TIME>' argument 'x'/],
        [
          ["run", "--initrd", "i"],
          /^denovisor: --initrd: .*\n.*KERNEL.*\ndenovisor: Try: .* run$/m,
        ],
      ] as const
    ) {
      const { status, out, err } = await denovisor([...args]);
      assert.deepEqual([status, out], [123, ""], args.join(" "));
      assert.match(err, message);
    }
  },
);

programTest(
  "a kernel that is no kernel ends with status 123 and its name in the message",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/empty`, "");
      await Deno.writeTextFile(`${folder}/text`, "this is a text\n".repeat(100));
      for (
        const [path, message] of [
          [`${folder}/missing`, /there is no|missing|not found|No such file/i],
          [folder, /directory/],
          [`${folder}/empty`, /empty/],
          [`${folder}/text`, /text|no kernel|not a kernel|format/i],
        ] as const
      ) {
        const { status, out, err } = await denovisor(["run", path]);
        assert.deepEqual([status, out], [123, ""], err);
        assert(err.startsWith("denovisor: ") && err.includes(path), err);
        assert.match(err, message);
        assert.doesNotMatch(err, /\n\s+at /, "a user is shown no stack");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

programTest(
  "a configuration that can't be ends with status 123 and the option's name",
  async () => {
    const { status, err } = await denovisor(["run", "k", "--memory", "12X", "--cpus", "999"]);
    assert.equal(status, 123);
    assert.match(err, /^denovisor: --memory: .*"12X"/m);
    assert.match(err, /^denovisor: --cpus: .*254/m);
  },
);

programTest("doctor's table and JSON agree with its status", async () => {
  const table = await denovisor(["doctor"]);
  const json = await denovisor(["doctor", "--json"]);
  const report = JSON.parse(json.out);
  assert.equal(json.status, report.runsStockKernels ? 0 : 125);
  assert.equal(table.status, json.status);
  assert.match(table.out, report.runsStockKernels ? /A stock kernel can run/ : /No stock kernel/);
  for (const { area, name, status, detail, remedy } of report.checks) {
    assert(["KVM", "capabilities", "guest", "host"].includes(area), area);
    assert(["ok", "missing", "absent"].includes(status), status);
    assert(typeof detail === "string" && detail !== "");
    assert(remedy === undefined || typeof remedy === "string");
    assert(table.out.includes(name), name);
  }
});

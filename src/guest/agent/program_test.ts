/**
 * The agent's own command line.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runsAgent } from "../../../tests/guest/native_agent.ts";
import { readAsset } from "../../parts/mod.ts";

const CASES: readonly (readonly [args: string[], code: number, says: RegExp])[] = [
  [[], 2, /^denovisor: usage: agent --listen/],
  [["--listen"], 2, /--listen needs a value/],
  [["--lisen", "unix:/x"], 2, /there is no option --lisen/],
  [["--listen", "tcp:80"], 1, /listen at tcp:80: EINVAL/],
  [["--listen", "vsock:4294967295"], 1, /listen at vsock:4294967295: EINVAL/],
  [["--listen", "vsock:1x"], 1, /EINVAL/],
  [["--listen", "unix:/no/such/folder/socket"], 1, /ENOENT/],
  [["--listen", `unix:/${"x".repeat(200)}`], 1, /EINVAL/],
];

Deno.test({
  name: "the agent says what it can't do with its arguments",
  ignore: !runsAgent,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = join(folder, "agent");
      await Deno.writeFile(program, readAsset("agent"), { mode: 0o755 });
      for (const [args, expected, says] of CASES) {
        const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
        assert.equal(code, expected, args.join(" "));
        assert.match(new TextDecoder().decode(stderr), says);
        assert.equal(stdout.length, 0);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

import assert from "node:assert/strict";
import { LABELS, LINES, PAYLOAD, STUB_SIZE, TESTS, VECTORS } from "./probe_payload.ts";

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const binutils = await succeeds("as", ["--version"]) && await succeeds("objcopy", ["--version"]);
// GNU as for another architecture has no `--64`.
const assembler = binutils && await succeeds("as", ["--64", "-o", "/dev/null", "/dev/null"]);

Deno.test({
  name: "the payload's bytes are those that GNU as makes of its source",
  ignore: !assembler,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const source = LINES.map(([, line]) => line).join("\n");
      await Deno.writeTextFile(`${folder}/probe.s`, `.code64\n.text\n${source}\n`);
      for (
        const [command, ...args] of [
          ["as", "--64", "-o", "probe.o", "probe.s"],
          ["objcopy", "-O", "binary", "-j", ".text", "probe.o", "probe.bin"],
        ]
      ) {
        const { success, stderr } = await new Deno.Command(command, { args, cwd: folder }).output();
        assert(success, new TextDecoder().decode(stderr));
      }
      assert.deepEqual(PAYLOAD, await Deno.readFile(`${folder}/probe.bin`));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("each vector has its stub, and each test its label behind them", () => {
  assert.equal(LABELS.get("report"), VECTORS * STUB_SIZE);
  for (let vector = 0; vector < VECTORS; vector++) {
    assert.equal(PAYLOAD[vector * STUB_SIZE + 1], 0x80 + vector);
  }
  for (const { instruction } of TESTS) {
    assert(LABELS.get(instruction)! > LABELS.get("wrong")!, instruction);
  }
});

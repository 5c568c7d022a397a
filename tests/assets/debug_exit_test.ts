import assert from "node:assert/strict";
import { assemble, hasAssembler } from "./assembler.ts";
import { findCommand, runText } from "../../src/rootfs/command.ts";
import { DEBUG_EXIT_ASSEMBLY, debugExitProgram } from "./debug_exit.ts";
import { CODE_OFFSET } from "./elf.ts";

Deno.test({
  name: "the debug exit program is what an assembler makes of its source",
  ignore: !hasAssembler,
  fn: async () => {
    const program = debugExitProgram();
    const assembled = await assemble(DEBUG_EXIT_ASSEMBLY);
    assert.equal(program.subarray(CODE_OFFSET).toHex(), assembled.toHex());
    assert.equal(new DataView(program.buffer).getUint32(24, true), 0x400000 + CODE_OFFSET);
  },
});

Deno.test({
  name: "the debug exit program is an executable that Linux can load",
  ignore: findCommand("readelf") === undefined,
  fn: async () => {
    const file = await Deno.makeTempFile();
    try {
      const program = debugExitProgram();
      await Deno.writeFile(file, program);
      const text = await runText(["readelf", "-hlW", file]);
      assert.match(text, /Type:\s+EXEC/);
      const load = /LOAD\s+0x000000 0x0*400000 0x0*400000 (0x[0-9a-f]+) \1 R E 0x1000/.exec(text);
      assert.ok(load, text);
      assert.equal(Number(load[1]), program.byteLength);
      assert.doesNotMatch(text, /Warning|Error/i);
    } finally {
      await Deno.remove(file);
    }
  },
});

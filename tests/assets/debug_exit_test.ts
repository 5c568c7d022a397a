import assert from "node:assert/strict";
import { join } from "node:path";
import { findCommand, run, runText } from "./command.ts";
import { DEBUG_EXIT_ASSEMBLY, debugExitProgram } from "./debug_exit.ts";

Deno.test({
  name: "the debug exit program is what an assembler makes of its source",
  ignore: findCommand("as") === undefined || findCommand("objcopy") === undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const object = join(folder, "program.o");
      const code = join(folder, "program.bin");
      await run(["as", "--64", "-msyntax=intel", "-mnaked-reg", "-o", object], {
        input: new TextEncoder().encode(DEBUG_EXIT_ASSEMBLY),
      });
      await run(["objcopy", "-O", "binary", "-j", ".text", object, code]);
      const assembled = await Deno.readFile(code);
      const program = debugExitProgram();
      assert.equal(program.subarray(120).toHex(), assembled.toHex());
      assert.equal(new DataView(program.buffer).getUint32(24, true), 0x400000 + 120, "e_entry");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
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

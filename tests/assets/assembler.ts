/**
 * The GNU assembler as the judge of machine code that is written down in this project.
 *
 * @module
 */

import { join } from "node:path";
import { findCommand, run } from "../../src/rootfs/command.ts";

/** Whether this machine has the assembler (Debian's binutils). */
export const hasAssembler = findCommand("as") !== undefined && findCommand("objcopy") !== undefined;

/** Assembles x86-64 code in Intel syntax; gives the bytes of its .text section. */
export async function assemble(source: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir();
  try {
    const object = join(folder, "program.o");
    const code = join(folder, "program.bin");
    await run(["as", "--64", "-msyntax=intel", "-mnaked-reg", "-o", object], {
      input: new TextEncoder().encode(source),
    });
    await run(["objcopy", "-O", "binary", "-j", ".text", object, code]);
    return await Deno.readFile(code);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

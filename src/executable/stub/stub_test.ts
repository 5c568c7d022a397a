import assert from "node:assert/strict";
import { join } from "node:path";
import type { Machine } from "../elf.ts";
import { run } from "../process.ts";
import { stubCode } from "./mod.ts";

/** GNU as and objcopy for an architecture, as Debian names them. */
const TOOLS: Readonly<Record<Machine, string>> = {
  x86_64: "x86_64-linux-gnu-",
  aarch64: "aarch64-linux-gnu-",
};

function installed(prefix: string): boolean {
  try {
    const { success } = new Deno.Command(`${prefix}as`, { args: ["--version"] }).outputSync();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

for (const machine of Object.keys(TOOLS) as Machine[]) {
  const prefix = TOOLS[machine];
  Deno.test({
    name: `the first code for ${machine} is what GNU as makes of its source`,
    ignore: !installed(prefix),
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const [object, binary] = [join(folder, "stub.o"), join(folder, "stub.bin")];
        await run([`${prefix}as`, "-o", object, `${machine}.s`], import.meta.dirname);
        await run([`${prefix}objcopy`, "-O", "binary", "-j", ".text", object, binary]);
        assert.deepEqual(stubCode(machine), await Deno.readFile(binary));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });

  Deno.test(`the header behind the code for ${machine} is aligned`, () => {
    assert.equal(stubCode(machine).length % 8, 0);
  });
}

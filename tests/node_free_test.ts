/**
 * Nothing that a run is made of loads Deno's JavaScript of node: each of those modules takes longer than a machine's
 * whole start. What packages ask for, the executable has stand-ins for.
 * @module
 */
import assert from "node:assert/strict";

/** A module as `deno info --json` tells of it. */
interface ModuleInfo {
  readonly specifier: string;
  readonly kind: string;
  readonly dependencies?: readonly { readonly specifier: string; readonly code?: unknown }[];
}

/** The modules of the program's own that one is made of, itself among them. */
async function modulesOf(entry: string): Promise<ModuleInfo[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(entry, import.meta.url).pathname],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  assert(success, `deno info fails for ${entry}`);
  const { modules }: { modules: ModuleInfo[] } = JSON.parse(new TextDecoder().decode(stdout));
  return modules.filter(({ specifier }) => {
    return specifier.startsWith("file:") && !specifier.endsWith(VERSION_ONLY);
  });
}

/** Imported when a source tree is asked for its version, and by nothing else. */
const VERSION_ONLY = "/src/parts/checkout.ts";

const ENTRIES = [
  "../src/cli/main.ts",
  "../src/machine/vcpu_worker.ts",
  "../src/machine/io_worker.ts",
];

for (const entry of ENTRIES) {
  Deno.test(`nothing that ${entry.replace("../", "")} is made of loads node's modules`, async () => {
    const modules = await modulesOf(entry);
    assert(modules.length > 50, `only ${modules.length} modules were seen`);
    const wrong = modules.flatMap(({ specifier, dependencies = [] }) =>
      dependencies.filter((one) => one.specifier.startsWith("node:") && one.code !== undefined)
        .map((one) => `${specifier} imports ${one.specifier}`)
    );
    for (const { specifier } of modules) {
      const text = await Deno.readTextFile(new URL(specifier));
      const [use] = NODE_GLOBALS.exec(withoutComments(text)) ?? [];
      if (use !== undefined) wrong.push(`${specifier} uses ${use}`);
    }
    assert.deepEqual(wrong, []);
  });
}

/** What Deno has of node's globals: to touch one loads what it is made of. */
const NODE_GLOBALS = /(?<![.\w"'$])(process|Buffer|setImmediate|clearImmediate)(?=[.(\[])/;

/** A text without its comments, as far as the code of this house has them: none begins inside of a string. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

Deno.test("node's globals are found where they are used, and not in a comment or as a member", () => {
  const uses = (text: string) => NODE_GLOBALS.test(withoutComments(text));
  assert(uses("const path = process.env.HOME;") && uses("f(Buffer.from([1]))"));
  assert(!uses("// the process.\n/** process.env */ system.process.run();"));
});

/**
 * Nothing that a run is made of loads Deno's JavaScript of node: each of those modules takes longer than a machine's
 * whole start. What packages ask for, the executable has stand-ins for.
 * @module
 */
import assert from "node:assert/strict";

/** A module as `deno info --json` tells of it. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier: string };
    readonly isDynamic?: boolean;
  }[];
}

/** The modules of the program's own that are loaded with `entries`: these, and what they import at once. */
async function modulesOf(entries: readonly string[]): Promise<ModuleInfo[]> {
  const found = new Map<string, ModuleInfo>();
  for (const entry of entries) {
    const url = new URL(entry, import.meta.url);
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", url.pathname],
      env: { DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    assert(success, `deno info fails for ${entry}`);
    const { modules }: { modules: ModuleInfo[] } = JSON.parse(new TextDecoder().decode(stdout));
    const all = new Map(modules.map((module) => [module.specifier, module]));
    for (const wanted = [url.href]; wanted.length > 0;) {
      const module = all.get(wanted.pop()!);
      if (module === undefined || !module.specifier.startsWith("file:")) continue;
      if (found.has(module.specifier)) continue;
      found.set(module.specifier, module);
      for (const { code, isDynamic } of module.dependencies ?? []) {
        if (code !== undefined && isDynamic !== true) wanted.push(code.specifier);
      }
    }
  }
  return [...found.values()];
}

/** What is loaded together. A verb is imported when it is called. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  "a run": ["../src/cli/main.ts", "../src/cli/run/run.ts"],
  "a vCPU's Worker": ["../src/machine/vcpu_worker.ts"],
  "an I/O Worker": ["../src/machine/io_worker.ts"],
};

for (const [name, entries] of Object.entries(PARTS)) {
  Deno.test(`nothing that ${name} is made of loads node's modules`, async () => {
    const modules = await modulesOf(entries);
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
const NODE_GLOBALS = /(?<![./\w"'$])(process|Buffer|setImmediate|clearImmediate)(?=[.(\[])/;

/** A text without its comments, as far as the code of this house has them: none begins inside of a string. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

Deno.test("node's globals are found where they are used, and not in a comment or as a member", () => {
  const uses = (text: string) => NODE_GLOBALS.test(withoutComments(text));
  assert(uses("const path = process.env.HOME;") && uses("f(Buffer.from([1]))"));
  assert(!uses("// the process.\n/** process.env */ system.process.run();"));
});

/**
 * What is loaded when.
 * @module
 */
import assert from "node:assert/strict";

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/** The modules that importing one imports, those that are only imported when they are needed left out. */
async function loadedWith(entry: string): Promise<Set<string>> {
  const root = new URL("../../", import.meta.url);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(entry, root).pathname],
    cwd: root,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  const { modules }: Graph = JSON.parse(decoder.decode(stdout));
  const found = new Set<string>();
  const wanted = [new URL(entry, root).href];
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    for (
      const { code, isDynamic } of modules.find((each) => each.specifier === next)
        ?.dependencies ?? []
    ) {
      if (isDynamic !== true && code?.specifier !== undefined) wanted.push(code.specifier);
    }
  }
  return new Set([...found].map((url) => url.replace(root.href, "")));
}

Deno.test("completions, manual and version are loaded by those who ask for them only", async () => {
  const own = /^src\/(cli\/(completions|man|version)\/(?!spec\.ts$)|parts\/checkout\.ts$)/;
  for (const entry of ["src/cli/main.ts", "src/cli/run/run.ts", "src/machine/io_worker.ts"]) {
    const loaded = await loadedWith(entry);
    assert(loaded.size > 5, `only ${loaded.size} modules of ${entry} were seen`);
    assert.deepEqual([...loaded].filter((file) => own.test(file)), [], entry);
  }
  // And the pattern is a right one.
  const manual = await loadedWith("src/cli/man/man.ts");
  assert([...manual].some((file) => own.test(file)));
});

Deno.test("what controls machines, and what Linux boots from, is loaded by those who ask for it only", async () => {
  const own =
    /^src\/(cli\/(control\/(?!name\.ts$|spec\.ts$)|run\/(named|rootfs)\.ts$)|rootfs\/|vm\/|guest\/agent\/)/;
  for (const entry of ["src/cli/main.ts", "src/cli/run/run.ts"]) {
    const loaded = await loadedWith(entry);
    assert.deepEqual([...loaded].filter((file) => own.test(file)), [], entry);
  }
  // And the pattern is a right one: a run with a name has no need of Linux.
  const named = [...await loadedWith("src/cli/run/named.ts")].filter((file) => own.test(file));
  assert(named.includes("src/cli/control/server.ts"));
  assert.deepEqual(named.filter((file) => !file.startsWith("src/cli/")), []);
});

Deno.test("a usual run loads neither other verbs' tables, nor devices that are asked for, nor what reads a command line with them", async () => {
  const own =
    /^(src\/cli\/(program|verbs)\.ts$|src\/cli\/run\/(spec|device_options|configuration)\.ts$|src\/machine\/(config|virtio_devices|user_\w+)\.ts$|devices\/(mod|registry|options)\.ts$|devices\/virtio\/(?!transport\/)\w+\/)|commander/;
  for (const entry of ["src/cli/main.ts", "src/cli/run/run.ts"]) {
    const loaded = await loadedWith(entry);
    assert.deepEqual([...loaded].filter((file) => own.test(file)), [], entry);
  }
  // And the pattern is a right one.
  const unusual = [...await loadedWith("src/cli/verbs.ts")].filter((file) => own.test(file));
  assert(unusual.includes("devices/registry.ts") && unusual.includes("src/cli/run/spec.ts"));
});

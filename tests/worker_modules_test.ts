/**
 * Holds what the isolate of a vCPU reads to what it needs: each machine of a process has one and more of them, and each
 * keeps some seven bytes for each byte of source.
 * @module
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname!, "..");

interface Info {
  readonly roots: readonly [string];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier: string };
    }[];
  }[];
}

/** All that a module reads at its start, relative to the root. */
async function reads(entry: string): Promise<string[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
  }).output();
  assert(success, `deno can't tell what ${entry} imports`);
  const { roots, modules }: Info = JSON.parse(new TextDecoder().decode(stdout));
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const found = new Set<string>(roots);
  for (const name of found) {
    for (const { isDynamic, code } of byName.get(name)?.dependencies ?? []) {
      if (code !== undefined && isDynamic !== true) found.add(code.specifier);
    }
  }
  return [...found].map((name) => name.replace(`file://${root}/`, ""));
}

Deno.test("a vCPU's isolate reads nothing of making machines, of serving devices and of users' code", async () => {
  const read = await reads("src/machine/vcpu_worker.ts");
  assert(read.includes("src/vcpu/run_loop.ts"));
  const strange = [
    /^npm:/,
    /^src\/arch\/x86_64\/(?!attached\.ts$)/,
    /^src\/(?:ffi|kvm|memory)\/mod\.ts$/,
    /^src\/ffi\/io_/,
    /^devices\/(?:mod|registry)\.ts$/,
    /^devices\/virtio\/(?:net|block|vsock|balloon|entropy|console)\//,
    /^devices\/user\/modules\.ts$/,
  ];
  assert.deepEqual(read.filter((name) => strange.some((pattern) => pattern.test(name))), []);
});

/**
 * `deno task compile`: what it makes, and what it says where it can't.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Contents } from "../../src/executable/append.ts";
import { bundle } from "../../src/executable/bundle.ts";
import { bundleMain, denoCompile, writeProgram } from "../../src/executable/deno_compile.ts";
import { withFolder } from "../../src/host/testing.ts";
import { ASSETS, WORKERS } from "../../src/parts/table.ts";
import { testDirect } from "../direct/payload_machine.ts";

const ROOT = join(import.meta.dirname!, "../..");

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function compile(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(ROOT, "src/executable/compile.ts"), ...args],
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).toHex();
}

Deno.test("the same sources make the same file, and the report tells what it is", () =>
  withFolder(async (folder) => {
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    const first = await compile(["--way", "append", "--out", a, "--json"]);
    assert.equal(first.code, 0, first.err);
    const second = await compile(["--way", "append", "--out", b]);
    assert.equal(second.code, 0, second.err);
    assert.equal(await sha256(a), await sha256(b));
    const report = JSON.parse(first.out);
    assert.equal(report.file, a);
    assert.equal(report.carrier, "deno");
    assert.equal(report.bytes, (await Deno.stat(a)).size);
    assert.match(report.version, new RegExp(`^denovisor \\S+ .*Deno ${Deno.version.deno}`));
    assert(report.libraries.includes("libc.so.6"), report.libraries);
    assert(report.ownBytes < 2e6, `the program takes ${report.ownBytes} bytes`);
    assert.match(first.err, /of which \d\.\d MB are denovisor/);
    assert.deepEqual(names(folder).toSorted(), ["a", "b"]);
  }));

Deno.test("where deno compile's runtime is another program, the program is appended to deno", () =>
  withFolder(async (folder) => {
    const out = join(folder, "denovisor");
    // The deno program is no runtime for compiled programs: what it is appended to stays deno.
    const env = { DENORT_BIN: Deno.execPath() };
    const refused = await compile(["--way", "deno-compile", "--out", out], env);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /not Deno's runtime for compiled programs \(see DENORT_BIN\)/);
    assert.deepEqual(names(folder), []);
    const made = await compile(["--out", out, "--json"], env);
    assert.equal(made.code, 0, made.err);
    const report = JSON.parse(made.out);
    assert.equal(report.carrier, "deno");
    assert.match(report.reason, /see DENORT_BIN/);
    assert.match(made.err, /deno compile can't: .*DENORT_BIN/);
  }));

/** What is put into an executable by `deno compile`: a bundle of the main program, and the rest. */
async function contents(): Promise<readonly [string, Omit<Contents, "main">]> {
  const source = (path: string) => join(ROOT, "src/parts", path);
  const workers: [string, string][] = [];
  for (const [name, path] of Object.entries(WORKERS)) {
    workers.push([name, await bundle(source(path), "iife")]);
  }
  const assets = Object.entries(ASSETS).map(([name, path]) => {
    return [name, Deno.readFileSync(source(path))] as const;
  });
  return [await bundleMain(), {
    workers: Object.fromEntries(workers) as Contents["workers"],
    assets: Object.fromEntries(assets) as Contents["assets"],
    build: { commit: "0123456789", carrier: "deno compile" },
  }];
}

testDirect(
  "what deno compile is given starts machines and Workers, from wherever it is",
  () =>
    withFolder(async (folder) => {
      await writeProgram(folder, ...await contents());
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--quiet", "--no-config", join(folder, "main.js"), ...args],
          stdin: "null",
          cwd: "/",
          env: { DENO_NO_UPDATE_CHECK: "1" },
        }).output();
        const decoder = new TextDecoder();
        return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
      };
      assert.match((await run("--version")).text, /^denovisor \S+ \(commit 0123456, /);
      const { code, text } = await run("run");
      assert.equal(code, 0, text);
      assert.match(text, /read it back: all as written/);
    }),
);

Deno.test("deno compile puts every part into its file, and no path of this host", () =>
  withFolder(async (folder) => {
    const out = join(folder, "out");
    const [main, rest] = await contents();
    // With the deno program as the runtime the file is of no use, but it is whole.
    Deno.env.set("DENORT_BIN", Deno.execPath());
    try {
      await denoCompile(out, main, rest);
    } finally {
      Deno.env.delete("DENORT_BIN");
    }
    const file = Buffer.from(await Deno.readFile(out));
    assert(file.includes(main.slice(-2000)), "main.js is missing");
    for (const [name, text] of Object.entries(rest.workers)) {
      assert(file.includes(text.slice(-2000)), `the Worker ${name} is missing`);
    }
    for (const [name, bytes] of Object.entries(rest.assets)) {
      assert(file.includes(Buffer.from(bytes)), `the asset ${name} is missing`);
    }
    const runtime = (await Deno.stat(Deno.execPath())).size;
    assert(!file.subarray(runtime).includes("denovisor-compile-"), "the temporary folder is named");
  }));

Deno.test("a file that is no deno is refused by name, and nothing is left", () =>
  withFolder(async (folder) => {
    const out = join(folder, "denovisor");
    const script = join(folder, "script");
    await Deno.writeTextFile(script, "#!/bin/sh\n");
    const wrong = await compile(["--deno", script, "--out", out]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, new RegExp(`${script}: not a 64-bit little-endian ELF file`));
    const missing = await compile(["--deno", join(folder, "none"), "--out", out]);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /none/);
    assert.deepEqual(names(folder), ["script"]);
  }));

Deno.test("options that mean nothing are refused with the usage", async () => {
  for (const args of [["--way", "magic"], ["--bogus"], ["--way", "deno-compile", "--deno", "x"]]) {
    const { code, err } = await compile(args);
    assert.equal(code, 2);
    assert.match(err, /usage: deno task compile/);
  }
});

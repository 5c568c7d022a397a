/**
 * An executable made by `deno compile`, which appends the same bundles and assets to Deno's runtime for compiled
 * programs: it fetches that runtime, or takes the one that DENORT_BIN names.
 * @module
 */
import { dirname, join } from "node:path";
import type { AssetName, WorkerName } from "../parts/table.ts";
import type { Contents } from "./append.ts";
import { bundle } from "./bundle.ts";
import { assetFile, workerFile } from "./layout.ts";
import { run } from "./process.ts";

/** FFI can do everything, and nothing less lets Deno's own functions read /proc, /sys and /dev. */
const FLAGS = [
  ...["--quiet", "--allow-all", "--no-prompt"],
  ...["--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-check"],
];

/**
 * The main module: the program as a script, with compiled.ts behind it, which starts it. A module of all that would load
 * at its start whatever of node's any part of the program imports.
 *
 * @throws {ProcessError} {@linkcode BundleError}
 */
export async function bundleMain(): Promise<string> {
  const program = await bundle(join(import.meta.dirname!, "entry.ts"), "iife");
  const start = await bundle(join(import.meta.dirname!, "compiled.ts"), "esm");
  return `${program}\n${start}`;
}

/**
 * Writes what `deno compile` is given: a program that `deno run` runs as well.
 *
 * @param main what {@linkcode bundleMain} gives, which becomes `main.js`
 * @returns the files beside `main.js`, relative to the folder
 */
export async function writeProgram(
  folder: string,
  main: string,
  { workers, assets, build }: Omit<Contents, "main">,
): Promise<string[]> {
  const files = new Map<string, string | Uint8Array>();
  for (const [name, text] of Object.entries(workers)) {
    files.set(workerFile(name as WorkerName), text);
  }
  for (const [name, bytes] of Object.entries(assets)) {
    files.set(assetFile(name as AssetName), bytes);
  }
  const beside = [...files.keys()];
  files.set("./main.js", `const BUILD=${JSON.stringify(build)};${main}`);
  for (const [file, content] of files) {
    const path = join(folder, file);
    await Deno.mkdir(dirname(path), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
  }
  return beside;
}

/**
 * Compiles an executable.
 *
 * @param output the file to be made
 * @param main as for {@linkcode writeProgram}
 * @throws {ProcessError} with Deno's message: without a network, there's no runtime
 */
export async function denoCompile(
  output: string,
  main: string,
  contents: Omit<Contents, "main">,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-compile-" });
  try {
    const include = (await writeProgram(folder, main, contents)).flatMap((
      file,
    ) => ["--include", file]);
    // The paths in the executable are relative, so the folder's name does not get in.
    const command = [Deno.execPath(), "compile", ...FLAGS, ...include] as const;
    await run([...command, "--output", output, "main.js"], folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

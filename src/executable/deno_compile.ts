/**
 * An executable made by `deno compile`, which appends the same bundles and assets to Deno's runtime for compiled
 * programs: it fetches that runtime, or takes the one that DENORT_BIN names.
 * @module
 */
import { dirname, join } from "node:path";
import type { AssetName, WorkerName } from "../parts/table.ts";
import type { Contents } from "./append.ts";
import { assetFile, workerFile } from "./layout.ts";
import { run } from "./process.ts";

/** FFI can do everything, and nothing less lets Deno's own functions read /proc, /sys and /dev. */
const FLAGS = [
  ...["--quiet", "--allow-all", "--no-prompt"],
  ...["--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-check"],
];

/**
 * Compiles an executable.
 *
 * @param output the file to be made
 * @param main the bundle of compiled.ts, in place of `contents.main`
 * @throws {ProcessError} with Deno's message: without a network, there's no runtime
 */
export async function denoCompile(output: string, main: string, contents: Contents): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-compile-" });
  try {
    const files = new Map<string, string | Uint8Array>();
    for (const [name, text] of Object.entries(contents.workers)) {
      files.set(workerFile(name as WorkerName), text);
    }
    for (const [name, bytes] of Object.entries(contents.assets)) {
      files.set(assetFile(name as AssetName), bytes);
    }
    const include = [...files.keys()].flatMap((file) => ["--include", file]);
    files.set("./main.js", `const BUILD=${JSON.stringify(contents.build)};${main}`);
    for (const [file, content] of files) {
      const path = join(folder, file);
      await Deno.mkdir(dirname(path), { recursive: true });
      if (typeof content === "string") await Deno.writeTextFile(path, content);
      else await Deno.writeFile(path, content);
    }
    // The paths in the executable are relative, so the folder's name does not get in.
    await run(
      [Deno.execPath(), "compile", ...FLAGS, ...include, "--output", output, "main.js"],
      folder,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

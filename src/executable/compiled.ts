/**
 * The main module of an executable that `deno compile` makes: the parts are files of its own file system, beside this
 * module, which are never unpacked.
 *
 * The script that entry.ts becomes stands in front of it.
 * @module
 */
import { type Build, PARTS, type Parts } from "../parts/carrier.ts";
import { assetFile, MAIN, type Main, workerFile } from "./layout.ts";

/** Written in front of this code when an executable is built. */
declare const BUILD: Build;

const parts: Parts = {
  build: BUILD,
  worker: (name) => new URL(workerFile(name), import.meta.url).href,
  asset: (name) => Deno.readFileSync(new URL(assetFile(name), import.meta.url)),
};
const shared = globalThis as { [PARTS]?: Parts; [MAIN]?: Main };
shared[PARTS] = parts;
Deno.exit(await shared[MAIN]!(Deno.args));

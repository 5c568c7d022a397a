/**
 * Bundles: a module with everything that it imports as one script, made by `deno bundle`, which fetches its bundler
 * from npm once and works offline then.
 * @module
 */
import { join } from "node:path";
import { run } from "./process.ts";

/** What is done with a bundle. */
export type BundleFormat =
  /** It is evaluated. */
  | "iife"
  /** It is imported: `import.meta` works, and `await` outside of functions. */
  | "esm";

/** A bundle imports a module of node's at its start, which takes longer than all else that happens then. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}

/**
 * Bundles a module.
 *
 * @param entry the module's path
 * @returns the script, minified, in ASCII
 * @throws {ProcessError} with the bundler's message
 * @throws {BundleError} for a module that imports one of node's at its start; scripts ask for those by `require`
 */
export async function bundle(entry: string, format: BundleFormat): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-bundle-" });
  try {
    const output = join(folder, "bundle.js");
    // For a browser, the bundler calls `require` for what it left out; for Deno, it would load node's own `require`.
    const way = ["--format", format, "--platform", "browser", "--external", "node:*", "--minify"];
    await run([Deno.execPath(), "bundle", "--quiet", ...way, "--output", output, entry]);
    const text = await Deno.readTextFile(output);
    const imported = /\bimport\b[^;"'()]*["'](node:[\w/]+)["']/.exec(text);
    if (imported !== null) throw new BundleError(`${entry}: imports ${imported[1]} at its start`);
    return format === "iife" ? unwrap(text, entry) : text;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The bundler's way to keep what a script declares to itself. */
const WRAPPED = /^\(\(\)=>\{([^]*)\}\)\(\);\s*$/;

/**
 * A script without the function around it. It is read a third faster so, for V8 reads a function's text once to find
 * its end, and once more to run it. Strict code that is evaluated keeps what it declares to itself, too.
 */
function unwrap(text: string, entry: string): string {
  const [, body] = WRAPPED.exec(text) ?? [];
  if (body === undefined) throw new BundleError(`${entry}: the bundler wraps it in an unknown way`);
  return `"use strict";${body}`;
}

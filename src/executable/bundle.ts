/**
 * Bundles: a module with everything that it imports as one script, made by `deno bundle`, which fetches its bundler
 * from npm once and works offline then.
 * @module
 */
import { basename, join } from "node:path";
import { run } from "./process.ts";
import { asScript, BundleError } from "./script.ts";

export { BundleError };

/** What is done with a bundle. */
export type BundleFormat =
  /** It is evaluated. */
  | "iife"
  /** It is imported: `import.meta` works, and `await` outside of functions. */
  | "esm";

/** For a browser, the bundler calls `require` for what it left out; for Deno, it would load node's own `require`. */
const BUNDLE = [
  ...[Deno.execPath(), "bundle", "--quiet", "--minify"],
  ...["--platform", "browser", "--external", "node:*"],
] as const;

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
    await run([...BUNDLE, "--format", format, "--output", output, entry]);
    const text = await Deno.readTextFile(output);
    const imported = /\bimport\b[^;"'()]*["'](node:[\w/]+)["']/.exec(text);
    if (imported !== null) throw new BundleError(`${entry}: imports ${imported[1]} at its start`);
    return format === "iife" ? unwrap(text, entry) : text;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Bundles a module in parts: its own, one for whatever it imports when that is needed, and those that several of these
 * share. A part is a script that is read when it is first asked for, and has nothing around its declarations; a bundle
 * that has all in one is read twice as slowly, and keeps each module in a function of its own.
 *
 * @param entry the module's path
 * @returns the scripts by their names, the module's own first; they use what parts.ts defines
 * @throws as {@linkcode bundle}
 */
export async function bundleParts(entry: string): Promise<Readonly<Record<string, string>>> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-bundle-" });
  try {
    await run([...BUNDLE, "--format", "esm", "--code-splitting", "--outdir", folder, entry]);
    const own = basename(entry).replace(/\.ts$/, ".js");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name !== own
    );
    const parts: [string, string][] = [];
    for (const name of [own, ...names.toSorted()]) {
      const text = await Deno.readTextFile(join(folder, name));
      parts.push([name, asScript(text, `${entry}: ${name}`)]);
    }
    return Object.fromEntries(parts);
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

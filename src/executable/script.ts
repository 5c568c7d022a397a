/**
 * A part of a bundle as a script: what the bundler writes as a module, to be evaluated. Modules are loaded one turn of
 * the event loop after another, and their text has to be a URL's; a script is there at once.
 *
 * ```text
 * import{a as x}from"./chunk-A.js";import"./chunk-B.js";…import("./run-C.js")…export{y as b};
 * "use strict";const{a:x}=denovisorPart("chunk-A.js");denovisorPart("chunk-B.js");…denovisorLater("run-C.js")…({b:y});
 * ```
 *
 * What a script gives is the value of its last statement: its exports as they are then. A module may assign to what
 * it exports later, and its importers see that; a script may not, and a test holds that no module of ours does.
 * @module
 */

/** A bundle can't be what it has to be: it imports a module of node's at its start, for one, which takes longer than all else then. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}

/** The global functions that scripts call: for a part, and for the promise of one. */
export const PART_FUNCTIONS = { now: "denovisorPart", later: "denovisorLater" } as const;

/** An import of another part at the beginning of a module. */
const IMPORT = /^\s*import(?:\{([^}]*)\}from)?"\.\/([\w.-]+)";/;
/** An import of node's, which stands where the source that wants it begins. */
const NODE_IMPORT = /(?<=^|[;}])import\{([^}]*)\}from"(node:[\w/]+)"/g;
/** The exports at the end of one. */
const EXPORT = /export\{([^}]*)\};\s*$/;
/** One name of either: `a as b`, or `a` for `a as a`. */
const NAME = /^([\w$]+)(?: as ([\w$]+))?$/;

/**
 * Makes a script of a module that the bundler has made.
 *
 * @param what whose message it is
 * @throws {BundleError} for a module in a form that is not known
 */
export function asScript(text: string, what: string): string {
  const pairs = (list: string) =>
    list.split(",").filter((item) => item !== "").map((item) => {
      const [, from, to = from] = NAME.exec(item.trim()) ??
        fail(`${what}: the bundler names "${item}" in an unknown way`);
      return [from, to] as const;
    });
  const members = (list: string) => pairs(list).map(([from, to]) => `${from}:${to}`).join();
  let rest = text;
  let head = `"use strict";`;
  for (let found; (found = IMPORT.exec(rest)) !== null; rest = rest.slice(found[0].length)) {
    const [, list = "", part] = found;
    const call = `${PART_FUNCTIONS.now}("${part}");`;
    head += list === "" ? call : `const{${members(list)}}=${call}`;
  }
  const [end, list] = EXPORT.exec(rest) ?? ["", ""];
  const exported = pairs(list).map(([from, to]) => `${to}:${from}`).join();
  const body = rest.slice(0, rest.length - end.length)
    .replace(NODE_IMPORT, (_, list, module) => `const{${members(list)}}=require("${module}")`)
    .replace(/\bimport\("\.\/([\w.-]+)"\)/g, `${PART_FUNCTIONS.later}("$1")`)
    // A script has none; what the program asks it for, an executable has in other ways.
    .replace(/\bimport\.meta\b/g, "({})");
  const script = `${head}${body};({${exported}});`;
  try {
    // Whatever only a module may have is a mistake in a script. Nothing is run.
    new Function(script);
  } catch (cause) {
    throw new BundleError(`${what}: the bundler writes it in an unknown way: ${cause}`, { cause });
  }
  return script;
}

function fail(message: string): never {
  throw new BundleError(message);
}

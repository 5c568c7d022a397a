/**
 * Modules of the bundler's as scripts: they give what the modules export.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { bundleParts } from "./bundle.ts";
import { asScript, BundleError, PART_FUNCTIONS } from "./script.ts";

/** Evaluates parts as an executable does. */
function evaluate(parts: Readonly<Record<string, string>>, first: string): Record<string, unknown> {
  const order: string[] = [];
  const done = new Map<string, Record<string, unknown>>();
  const now = (name: string) => {
    const known = done.get(name);
    if (known !== undefined) return known;
    order.push(name);
    const value = (0, eval)(parts[name]);
    done.set(name, value);
    return value;
  };
  const shared = globalThis as Record<string, unknown>;
  shared[PART_FUNCTIONS.now] = now;
  shared[PART_FUNCTIONS.later] = (name: string) => Promise.resolve(name).then(now);
  shared.require = (name: string) => ({ join: () => name });
  return { ...now(first), order };
}

Deno.test("a script has what its module imports, and gives what that exports", () => {
  const parts = {
    "a.js": asScript(
      'import{b as x}from"./b.js";import"./c.js";var y=x+1;export{y as default,x};\n',
      "a",
    ),
    "b.js": asScript("var q=41;export{q as b};\n", "b"),
    "c.js": asScript("globalThis.seen=1;\n", "c"),
  };
  assert.deepEqual(evaluate(parts, "a.js"), {
    default: 42,
    x: 41,
    order: ["a.js", "b.js", "c.js"],
  });
});

Deno.test("what a module imports later, its script asks for later", async () => {
  const parts = {
    "a.js": asScript('async function f(){return(await import("./b.js")).b}export{f};', "a"),
    "b.js": asScript("class B{}export{B as b};", "b"),
  };
  const { f, order } = evaluate(parts, "a.js") as {
    f: () => Promise<{ name: string }>;
    order: string[];
  };
  assert.deepEqual(order, ["a.js"]);
  assert.equal((await f()).name, "B");
  assert.deepEqual(order, ["a.js", "b.js"]);
});

Deno.test("modules of node's are asked for by require, wherever their imports stand", () => {
  const parts = {
    "a.js": asScript('class A{}import{join as j}from"node:path";var x=j();export{x};', "a"),
  };
  assert.equal(evaluate(parts, "a.js").x, "node:path");
});

Deno.test("a script's own names are strict code's, and no global ones", () => {
  const parts = {
    "a.js": asScript("var hidden=1;var x=(function(){return this})();export{x};", "a"),
  };
  assert.equal(evaluate(parts, "a.js").x, undefined);
  assert(!("hidden" in globalThis));
});

Deno.test("a module in a form that is not known is refused", () => {
  for (
    const text of [
      'import x from"./b.js";',
      'import*as x from"./b.js";',
      'import x from"node:fs";',
      "export default 1;",
      'export*from"./b.js";',
      "export{a};export{b};",
    ]
  ) {
    assert.throws(() => asScript(text, "a.ts"), BundleError, text);
  }
});

Deno.test("no module of ours assigns to what it exports", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const wrong: string[] = [];
  let seen = 0;
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) await walk(path);
      if (!name.endsWith(".ts")) continue;
      seen++;
      if (/^export (?:let|var)\b/m.test(await Deno.readTextFile(path))) wrong.push(path);
    }
  };
  for (const folder of ["src", "devices", "loader"]) await walk(join(root, folder));
  assert(seen > 100);
  assert.deepEqual(wrong, []);
});

Deno.test("the program's own part comes first, and verbs are parts of their own", async () => {
  const parts = await bundleParts(join(import.meta.dirname!, "entry.ts"));
  const names = Object.keys(parts);
  assert.equal(names[0], "entry.js");
  for (const verb of ["run", "doctor", "man"]) {
    assert(names.some((name) => name.startsWith(`${verb}-`)), `${verb} is none of ${names}`);
  }
});

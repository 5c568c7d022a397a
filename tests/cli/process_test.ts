import assert from "node:assert/strict";
import { denovisor, programTest, SOURCE_TREE } from "./process.ts";
import { verbs } from "../../src/cli/verbs.ts";

Deno.test("every test here that runs the program tells in its name which", async () => {
  const folder = new URL(".", import.meta.url);
  const users: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith("_test.ts") || name === "process_test.ts") continue;
    const text = await Deno.readTextFile(new URL(name, folder));
    if (!text.includes('from "./process.ts"')) continue;
    users.push(name);
    // Tests one by one; some of a file may be of other things.
    for (const test of text.split(/(?=\b(?:Deno\.test|programTest)\()/)) {
      if (!test.startsWith("Deno.test(")) continue;
      assert.doesNotMatch(test, /\bdenovisor\w*\(|\bspawn\w*\(/i, `${name}: use programTest()`);
    }
  }
  assert(users.includes("main_test.ts") && users.includes("terminal_test.ts"), users.join());
});

programTest("the help is that of the source tree, for each verb", async () => {
  const [deno, ...args] = SOURCE_TREE;
  for (const page of [[], ...verbs.map(({ name }) => [name])]) {
    const { code, stdout } = await new Deno.Command(deno, {
      args: [...args, "help", ...page],
      env: { NO_COLOR: "1" },
    }).output();
    const { status, out, err } = await denovisor(["help", ...page]);
    assert.deepEqual([status, err], [code, ""]);
    assert.equal(out, new TextDecoder().decode(stdout), page.join());
  }
});

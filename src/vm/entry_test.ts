import assert from "node:assert/strict";
import type { Prepared } from "./config.ts";
import { entryOf } from "./entry.ts";

function prepared(entry?: Prepared["entry"]): Prepared {
  return { config: { kernel: "k" }, onReset: "end", entry, [Symbol.asyncDispose]: async () => {} };
}

Deno.test("an image's command runs as its user, in its folder, with its variables and those asked for", () => {
  const image = { command: ["serve"], env: { A: "1", B: "2" }, user: "web", cwd: "/srv" };
  const entry = entryOf(prepared(image), { env: { B: "3" }, cwd: "/tmp" });
  assert.deepEqual(entry, {
    command: ["serve"],
    env: { A: "1", B: "3" },
    user: "web",
    cwd: "/tmp",
  });
  assert(!("user" in entryOf(prepared({ ...image, user: "" }), {})), "the guest's own user");
});

Deno.test("a root that names no command can't be asked for one", () => {
  for (const entry of [undefined, { command: [], env: {}, user: "", cwd: "/" }]) {
    assert.throws(() => entryOf(prepared(entry), {}), /^TypeError: .*names no command/);
  }
});

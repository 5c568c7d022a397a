import assert from "node:assert/strict";
import { join } from "node:path";
import { holdFolder } from "./held_folder.ts";
import { withFolder } from "./testing.ts";

function held(parent: string): string[] {
  return [...Deno.readDirSync(parent)].map(({ name }) => name)
    .filter((name) => name.startsWith("work-"));
}

/** A process that holds a folder with a file in it, until it is killed. */
async function killedHolder(parent: string): Promise<void> {
  const script = `import { holdFolder } from "${import.meta.resolve("./held_folder.ts")}";
    const { path } = await holdFolder(Deno.args[0], "work-");
    Deno.writeTextFileSync(path + "/file", "");
    console.log("held");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", "--no-config", script, parent],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assert.equal(held(parent).length, 1);
  {
    using _other = await holdFolder(parent, "work-");
    assert.equal(held(parent).length, 2, "it's left alone as long as its process lives");
  }
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
}

Deno.test("a held folder is there until it is disposed of, with all that is in it", () =>
  withFolder(async (parent) => {
    const one = await holdFolder(parent, "work-");
    using two = await holdFolder(parent, "work-");
    await Deno.writeTextFile(join(one.path, "file"), "");
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    assert.deepEqual(held(parent).map((name) => join(parent, name)), [two.path]);
  }));

Deno.test("a killed process's folder goes when the next one is made", () =>
  withFolder(async (parent) => {
    await killedHolder(parent);
    assert.equal(held(parent).length, 1);
    using folder = await holdFolder(parent, "work-");
    assert.deepEqual(held(parent).map((name) => join(parent, name)), [folder.path]);
  }));

Deno.test("a folder that was made and not locked goes too, and what is called otherwise does not", () =>
  withFolder(async (parent) => {
    await Deno.mkdir(join(parent, "work-half", "made"), { recursive: true });
    await Deno.mkdir(join(parent, "other"));
    await Deno.writeTextFile(join(parent, "work-file"), "");
    const elsewhere = join(parent, "other", "kept");
    await Deno.writeTextFile(elsewhere, "");
    await Deno.symlink(join(parent, "other"), join(parent, "work-link"));
    using folder = await holdFolder(parent, "work-");
    assert.deepEqual(
      held(parent).sort(),
      [folder.path.slice(parent.length + 1), "work-file", "work-link"].sort(),
    );
    await Deno.lstat(elsewhere);
  }));

Deno.test("many that come and go at once don't get in each other's way", () =>
  withFolder(async (parent) => {
    await Promise.all(Array.from({ length: 20 }, async () => {
      using folder = await holdFolder(parent, "work-");
      await Deno.writeTextFile(join(folder.path, "file"), "");
    }));
    assert.deepEqual(held(parent), []);
  }));

Deno.test("waiting for the others is given up when asked", () =>
  withFolder(async (parent) => {
    using file = await Deno.open(join(parent, ".work-lock"), { create: true, write: true });
    await file.lock(true);
    await assert.rejects(holdFolder(parent, "work-", AbortSignal.timeout(100)));
    assert.deepEqual(held(parent), []);
  }));

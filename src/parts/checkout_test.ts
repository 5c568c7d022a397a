import assert from "node:assert/strict";
import { checkedOut } from "./checkout.ts";

const decoder = new TextDecoder();

function isInstalled(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Runs git in a folder, apart from its user's settings. */
function git(cwd: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("git", {
    args: ["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "gc.auto=0", ...args],
    cwd,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
  }).outputSync();
  assert(success, `git ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

async function inRepository(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    git(folder, "init", "-q", "-b", "main");
    git(folder, "commit", "-q", "--allow-empty", "-m", "first");
    git(folder, "commit", "-q", "--allow-empty", "-m", "second");
    test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const ignore = !isInstalled("git");

/** What git says itself. */
const asked = (folder: string) => git(folder, "rev-parse", "HEAD");

Deno.test({
  name: "the commit of a branch, of packed branches and of a detached HEAD is the one git names",
  ignore,
  fn: () =>
    inRepository((folder) => {
      assert.equal(checkedOut(folder), asked(folder));
      git(folder, "checkout", "-q", "-b", "deep/er");
      git(folder, "commit", "-q", "--allow-empty", "-m", "third");
      assert.equal(checkedOut(folder), asked(folder));
      git(folder, "pack-refs", "--all");
      assert.equal(checkedOut(folder), asked(folder));
      git(folder, "commit", "-q", "--allow-empty", "-m", "a loose branch outranks the packed one");
      assert.equal(checkedOut(folder), asked(folder));
      git(folder, "checkout", "-q", "--detach", "main~1");
      assert.equal(checkedOut(folder), asked(folder));
    }),
});

Deno.test({
  name: "a worktree has its own commit, on a branch that its repository keeps",
  ignore,
  fn: () =>
    inRepository((folder) => {
      git(folder, "worktree", "add", "-q", "-b", "other", `${folder}/tree`, "main~1");
      assert.equal(checkedOut(`${folder}/tree`), asked(`${folder}/tree`));
      git(folder, "pack-refs", "--all");
      assert.equal(checkedOut(`${folder}/tree`), asked(`${folder}/tree`));
      assert.notEqual(checkedOut(`${folder}/tree`), checkedOut(folder));
    }),
});

Deno.test("without a commit, or with files that are none of git's, it is empty", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(checkedOut(folder), "");
    await Deno.mkdir(`${folder}/.git`);
    for (const head of ["", "ref: refs/heads/none", "ref: refs/../HEAD", "ref: HEAD", "\0", "12"]) {
      await Deno.writeTextFile(`${folder}/.git/HEAD`, head);
      assert.equal(checkedOut(folder), "", JSON.stringify(head));
    }
    await Deno.mkdir(`${folder}/.git/refs`);
    await Deno.writeTextFile(`${folder}/.git/HEAD`, "ref: refs/loop");
    await Deno.writeTextFile(`${folder}/.git/refs/loop`, "ref: refs/loop");
    assert.equal(checkedOut(folder), "", "a reference to itself");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

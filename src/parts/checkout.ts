/**
 * Which commit a source tree is at, read from git's own files: HEAD, the branch that it names, packed references
 * (gitrepository-layout(5)). Git itself need not be there.
 * @module
 */
import { join, resolve } from "node:path";

/** An object's name: SHA-1, or SHA-256 in newer repositories. */
const OBJECT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** How many symbolic references are followed, as by git. */
const MAX_DEPTH = 5;

/** The text of a file without the white space at its end; undefined where it can't be read. */
function read(...path: readonly string[]): string | undefined {
  try {
    return Deno.readTextFileSync(join(...path)).trimEnd();
  } catch {
    // Whatever the reason: the commit is a courtesy, and nothing depends on it.
    return undefined;
  }
}

/** The folder that `.git` is, or that the file `.git` of a worktree or submodule names. */
function gitFolder(root: string): string {
  const link = /^gitdir: (.+)$/.exec(read(root, ".git") ?? "");
  return link === null ? join(root, ".git") : resolve(root, link[1]);
}

/** A branch or tag in `packed-refs`, whose lines are an object and a name. */
function packed(folder: string, name: string): string | undefined {
  const lines = read(folder, "packed-refs")?.split("\n") ?? [];
  return lines.find((line) => line.endsWith(` ${name}`))?.split(" ")[0];
}

/** The commit of the source tree that this file is in; empty where it is no folder of this host. */
export function ownCommit(): string {
  const folder = import.meta.dirname;
  return folder === undefined ? "" : checkedOut(join(folder, "..", ".."));
}

/**
 * The commit that is checked out in a folder.
 *
 * @param root the folder that has `.git`; those above it are not looked at, which may be another project's
 * @returns the object's name in hexadecimal; empty where there is none, or where it can't be read
 */
export function checkedOut(root: string): string {
  const own = gitFolder(root);
  // A worktree has its own HEAD, and shares the branches.
  const shared = resolve(own, read(own, "commondir") ?? ".");
  let found = read(own, "HEAD");
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const name = /^ref: (refs\/\S+)$/.exec(found ?? "")?.[1];
    if (name === undefined || name.includes("..")) break;
    found = read(own, name) ?? read(shared, name) ?? packed(shared, name);
  }
  return found !== undefined && OBJECT.test(found) ? found : "";
}

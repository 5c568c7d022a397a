/**
 * Folders that last as long as their process needs them. Each has a lock that goes with its process, so that those of
 * killed processes are known, and removed by the next one that makes a folder beside them.
 * @module
 */
import { join } from "node:path";
import { lock } from "./lock.ts";
import { removeFolder } from "./remove.ts";

const LOCK = "lock";

/** A folder; disposing of it removes it with all that is in it, and does nothing a second time. */
export interface HeldFolder extends Disposable {
  readonly path: string;
}

/**
 * Makes a folder, and removes those that nobody holds any more.
 *
 * @param parent where the folders are; there is such a folder, and only those may write to it who are trusted
 * @param prefix what their names begin with; nothing else in `parent` begins so
 */
export async function holdFolder(
  parent: string,
  prefix: string,
  signal?: AbortSignal,
): Promise<HeldFolder> {
  // A folder that was just made is not locked yet.
  using _all = await lock(join(parent, `.${prefix}lock`), { signal });
  for await (const { name, isDirectory } of Deno.readDir(parent)) {
    if (isDirectory && name.startsWith(prefix)) await removeAbandoned(join(parent, name));
  }
  const path = await Deno.makeTempDir({ dir: parent, prefix });
  let held: Disposable | undefined;
  try {
    held = await lock(join(path, LOCK), { signal });
  } catch (error) {
    removeFolder(path);
    throw error;
  }
  return {
    path,
    [Symbol.dispose]() {
      if (held === undefined) return;
      removeFolder(path);
      held[Symbol.dispose]();
      held = undefined;
    },
  };
}

/** Removes a folder whose lock is free, or not there: its process was killed as it began or ended. */
async function removeAbandoned(path: string): Promise<void> {
  try {
    // Not created where it's missing: whoever removes this folder at this moment would find it in the way.
    using file = await Deno.open(join(path, LOCK), { read: true, write: true });
    if (await file.tryLock(true)) removeFolder(path);
  } catch (error) {
    // It's another user's, whose own process will remove it.
    if (error instanceof Deno.errors.PermissionDenied) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    removeFolder(path);
  }
}

/**
 * The folder in which fetched and built things are kept from one run to the next:
 * `$XDG_CACHE_HOME/denovisor`, or `~/.cache/denovisor` (XDG base directory specification).
 *
 * An item is a folder that appears under its name at once and complete: it is built under another
 * name beside it and then renamed. Who builds holds a lock file (flock, so that it goes with its
 * process), and everyone else waits for it. What a killed builder left is removed by the next one.
 *
 * @module
 */

import { join } from "node:path";
import { lock } from "../host/lock.ts";
import { removeFolder } from "../host/remove.ts";
import { RootfsError } from "./errors.ts";
import { interruptible } from "./interrupt.ts";
import { Progress } from "./progress.ts";

/**
 * The cache folder.
 *
 * @throws {RootfsError} when neither XDG_CACHE_HOME nor HOME nor /etc/passwd says where it is.
 */
export function cacheFolder(): string {
  // The specification wants a relative XDG_CACHE_HOME ignored.
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  if (xdg?.startsWith("/")) return join(xdg, "denovisor");
  const home = homeFolder();
  if (home === undefined) {
    throw new RootfsError(
      "neither XDG_CACHE_HOME nor HOME is set, and /etc/passwd has no folder for this user: no place for the cache",
    );
  }
  return join(home, ".cache", "denovisor");
}

/**
 * The user's own folder. The executable runs without HOME, so that Deno finds none of its files there; then it's what
 * passwd(5) says.
 */
function homeFolder(): string | undefined {
  const home = Deno.env.get("HOME");
  if (home?.startsWith("/") && !home.startsWith("/proc/")) return home;
  let users: string;
  try {
    users = Deno.readTextFileSync("/etc/passwd");
  } catch {
    // Nobody says.
    return undefined;
  }
  const fields = users.split("\n").map((line) => line.split(":"));
  const folder = fields.find(([, , uid]) => uid === String(Deno.uid()))?.[5];
  return folder?.startsWith("/") ? folder : undefined;
}

/** Where a cached item is kept, and when to give up. */
export interface CacheOptions {
  /** The folder in which items are kept; the user's cache folder by default. */
  readonly folder?: string;
  /** Gives up when aborted; what is half built then is removed. */
  readonly signal?: AbortSignal;
}

/**
 * Gives the folder of a cached item, building it first if it is not there.
 *
 * @param name the item's name: letters, digits and `.+~_-`. It names the content too: another
 * content needs another name.
 * @param build fills the empty folder that it is given and stops when its signal aborts.
 * @throws whatever `build` throws; then nothing is kept.
 */
export async function cached(
  name: string,
  build: (folder: string, signal: AbortSignal) => Promise<void>,
  { folder = cacheFolder(), signal: outer }: CacheOptions = {},
): Promise<string> {
  outer?.throwIfAborted();
  if (!/^[A-Za-z0-9_][A-Za-z0-9.+~_-]*$/.test(name)) {
    throw new RootfsError(`"${name}" cannot be the name of a cached item`);
  }
  const path = join(folder, name);
  if (await isFolder(path)) return path;
  await Deno.mkdir(folder, { recursive: true });
  const onWait = () => new Progress(`waiting for ${name}`);
  using _lock = await lock(join(folder, `.${name}.lock`), { signal: outer, onWait });
  if (await isFolder(path)) return path;
  const prefix = `.${name}.new-`;
  await removeLeftovers(folder, prefix);
  const fresh = await Deno.makeTempDir({ dir: folder, prefix });
  const cleanup = () => removeFolder(fresh);
  try {
    await interruptible(cleanup, async (interrupted) => {
      const signal = outer === undefined ? interrupted : AbortSignal.any([interrupted, outer]);
      await build(fresh, signal);
      signal.throwIfAborted();
      // makeTempDir gives 0o700; what is cached is no secret.
      await Deno.chmod(fresh, 0o755);
      await Deno.rename(fresh, path);
    });
  } finally {
    cleanup();
  }
  return path;
}

/**
 * Removes the items of a kind that nobody has used for a while. For items that are cheap to build
 * and of which every change makes a new one.
 *
 * @param prefix what the kind's names begin with.
 * @param days how long an item may go unused.
 */
export async function removeUnused(
  prefix: string,
  days: number,
  folder: string = cacheFolder(),
): Promise<void> {
  const limit = Date.now() - days * 24 * 60 * 60 * 1000;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const modified = await modificationTime(path);
    if (modified !== undefined && modified < limit) removeFolder(path);
  }
}

/** Notes that an item is in use, for {@linkcode removeUnused}. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await Deno.utime(path, now, now);
}

/** Milliseconds since 1970, or `undefined` when someone else has removed it meanwhile. */
async function modificationTime(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Under the lock nobody else builds this item, so whatever is half built is nobody's. */
async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(prefix)) removeFolder(join(folder, entry.name));
  }
}

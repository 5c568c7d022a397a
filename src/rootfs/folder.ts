/**
 * What a folder has, and an ext4 image of it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { cached, type CacheOptions, removeUnused, touch } from "./cache.ts";
import { blocksOf, makeExt4, type TreeSize } from "./ext4.ts";
import { RootfsError } from "./errors.ts";

/** Bumped when the same folder makes another image. */
const RECIPE = 2;

/** An image that no one has asked for in so many days is removed from the cache. */
export const KEPT_DAYS = 14;

/** The state of a folder. */
interface FolderState {
  readonly size: TreeSize;
  /** Hexadecimal; another as soon as anything in the folder is another. */
  readonly digest: string;
}

/**
 * Gives the path of an ext4 image with a folder's content, making it the first time. The image is
 * everybody's: who writes gets a copy.
 *
 * @throws {RootfsError} when it can't be made, as when a file can't be read.
 */
export async function folderImage(folder: string, options: CacheOptions = {}): Promise<string> {
  const root = await lstat(await Deno.realPath(folder));
  const { digest } = await folderState(folder, options.signal);
  const path = await cached(`ext4-folder-${digest}`, async (fresh, signal) => {
    const before = await folderState(folder, signal);
    const image = join(fresh, "root.ext4");
    const names = new Set([...Deno.readDirSync(folder)].map(({ name }) => name));
    await makeExt4({ folder, image, size: before.size, root, names, signal });
    if ((await folderState(folder, signal)).digest !== digest) {
      throw new RootfsError(`${folder} was changed while its image was made; try again`);
    }
    await removeUnused("ext4-", KEPT_DAYS, options.folder);
  }, options);
  await touch(path);
  return join(path, "root.ext4");
}

/**
 * Reads what stat(2) says of everything in a folder. The time of a file's last change of status (ctime)
 * can't be set back, so a changed content shows without being read.
 */
async function folderState(folder: string, signal?: AbortSignal): Promise<FolderState> {
  const hash = createHash("sha256").update(`${RECIPE}\0${await Deno.realPath(folder)}\0`);
  const size = { entries: 0, bytes: 0 };
  const visit = async (path: string): Promise<void> => {
    signal?.throwIfAborted();
    const info = await lstat(path, { bigint: true });
    hash.update(
      [path, info.dev, info.ino, info.mode, info.uid, info.gid, info.rdev, info.size, info.mtimeNs]
        .join("\0") + `\0${info.ctimeNs}\0`,
    );
    size.entries++;
    size.bytes += blocksOf(Number(info.size));
    if (!info.isDirectory()) return;
    const names = [];
    for await (const { name } of Deno.readDir(path)) names.push(name);
    for (const name of names.sort()) await visit(join(path, name));
  };
  await visit(await Deno.realPath(folder));
  return { size, digest: hash.digest("hex").slice(0, 32) };
}

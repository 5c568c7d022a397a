/**
 * Disks that one machine may write to: copies of images that are everybody's, which share the
 * original's blocks where the file system can (reflinks) and have no blocks where it has zeros.
 *
 * A copy goes when it is disposed of. Each is in a folder of its own with a lock that goes with its
 * process, so that copies of killed processes are known, and removed with the next one.
 *
 * @module
 */

import { join } from "node:path";
import { cacheFolder, type CacheOptions, lock } from "./cache.ts";
import { isAbsent, run } from "./command.ts";
import { growExt4 } from "./ext4.ts";
import { interruptible } from "./interrupt.ts";

const PREFIX = "private-disk-";

/** A copy; disposing of it a second time does nothing. */
export interface PrivateDisk extends Disposable {
  readonly path: string;
}

/**
 * Copies an ext4 image, and makes it larger.
 *
 * @param size bytes of the copy.
 * @throws {RootfsError} when the image is larger than that.
 */
export async function privateDisk(
  image: string,
  size: number,
  { folder = cacheFolder(), signal: outer }: CacheOptions = {},
): Promise<PrivateDisk> {
  const { fresh, held } = await makeFolder(folder, outer);
  let disposed = false;
  const dispose = () => {
    if (disposed) return;
    disposed = true;
    Deno.removeSync(fresh, { recursive: true });
    held[Symbol.dispose]();
  };
  const path = join(fresh, "root.ext4");
  try {
    await interruptible(dispose, async (interrupted) => {
      const signal = outer === undefined ? interrupted : AbortSignal.any([interrupted, outer]);
      await run(["cp", "--reflink=auto", "--sparse=always", "--", image, path], { signal });
      await Deno.chmod(path, 0o600);
      await growExt4(path, size, signal);
    });
  } catch (error) {
    dispose();
    throw error;
  }
  return { path, [Symbol.dispose]: dispose };
}

/** Makes a folder that is locked, and removes those that nobody holds. */
async function makeFolder(folder: string, signal?: AbortSignal) {
  await Deno.mkdir(folder, { recursive: true });
  // A folder that was just made is not locked yet.
  using _all = await lock(join(folder, ".private-disks.lock"), "waiting for the disks", signal);
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(PREFIX)) await removeAbandoned(join(folder, name));
  }
  const fresh = await Deno.makeTempDir({ dir: folder, prefix: PREFIX });
  return { fresh, held: await lock(join(fresh, "lock"), "locking a disk", signal) };
}

async function removeAbandoned(folder: string): Promise<void> {
  try {
    using file = await Deno.open(join(folder, "lock"), { create: true, write: true });
    if (await file.tryLock(true)) await Deno.remove(folder, { recursive: true });
  } catch (error) {
    // Its owner disposes of it at this moment, or it is another user's.
    if (!isAbsent(error)) throw error;
  }
}

/**
 * Disks that one machine may write to: copies of images that are everybody's, which share the
 * original's blocks where the file system can (reflinks) and have no blocks where it has zeros.
 *
 * A copy goes when it is disposed of, and one that a killed process has left goes with the next one.
 *
 * @module
 */

import { join } from "node:path";
import { holdFolder } from "../host/held_folder.ts";
import { cacheFolder, type CacheOptions } from "./cache.ts";
import { run } from "./command.ts";
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
  await Deno.mkdir(folder, { recursive: true });
  const held = await holdFolder(folder, PREFIX, outer);
  const dispose = () => held[Symbol.dispose]();
  const path = join(held.path, "root.ext4");
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

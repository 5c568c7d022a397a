/**
 * A statically linked busybox, the user space of small guests.
 *
 * @module
 */

import { join } from "node:path";
import { cached, type CacheOptions } from "./cache.ts";
import { isAbsent } from "./command.ts";
import { isStaticExecutable } from "./elf.ts";
import { ensureDebianPackages, unpackPackage } from "./packages.ts";

/** Where a host's own busybox is. */
const HOST_BUSYBOX = "/bin/busybox";

/**
 * Gives the path of a busybox that needs no library: the host's own if it is such a one, else that of
 * Debian's package busybox-static, which is fetched the first time and not installed.
 *
 * @throws {RootfsError} when it cannot be had.
 */
export async function busyboxAsset(options: CacheOptions = {}): Promise<string> {
  if (await isStatic(HOST_BUSYBOX)) return HOST_BUSYBOX;
  const folder = await cached("busybox", async (fresh, signal) => {
    await ensureDebianPackages({ "dpkg-deb": "dpkg", "apt-cache": "apt" });
    await unpackPackage("busybox-static", fresh, signal);
    await Deno.rename(join(fresh, "bin", "busybox"), join(fresh, "busybox"));
    for (const rest of ["bin", "usr"]) await Deno.remove(join(fresh, rest), { recursive: true });
  }, options);
  return join(folder, "busybox");
}

async function isStatic(path: string): Promise<boolean> {
  try {
    return isStaticExecutable(await Deno.readFile(path));
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

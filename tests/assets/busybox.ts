/**
 * Debian's statically linked busybox, the user space of our small guests.
 *
 * @module
 */

import { join } from "node:path";
import { cached } from "./cache.ts";
import { ensureDebianPackages, unpackPackage } from "./packages.ts";

/**
 * Gives the path of the busybox binary, fetching it the first time.
 *
 * @throws {AssetError} when it cannot be had.
 */
export async function busyboxAsset(): Promise<string> {
  const folder = await cached("busybox", async (fresh, signal) => {
    await ensureDebianPackages({ "dpkg-deb": "dpkg", "apt-cache": "apt" });
    await unpackPackage("busybox-static", fresh, signal);
    await Deno.rename(join(fresh, "bin", "busybox"), join(fresh, "busybox"));
    for (const rest of ["bin", "usr"]) await Deno.remove(join(fresh, rest), { recursive: true });
  });
  return join(folder, "busybox");
}

/**
 * The modules that the lab's kernel can load while it runs, laid out for modprobe(8).
 *
 * @module
 */

import { join } from "node:path";
import { busyboxAsset } from "../../src/rootfs/busybox.ts";
import { cached } from "../../src/rootfs/cache.ts";
import { findCommand, run } from "../../src/rootfs/command.ts";
import type { KernelAsset } from "../../src/rootfs/kernels.ts";

/** Programs that the lab has where this machine has none; they are busybox's. */
export const MODULE_PROGRAMS = ["modprobe", "insmod", "rmmod", "lsmod"] as const;

/**
 * Gives the path of a folder that can stand for `/lib/modules/VERSION`. A kernel that is unpacked
 * and not installed lacks the lists that modprobe reads; they are made the first time.
 *
 * @throws {RootfsError} when they cannot be made.
 */
export async function loadableModules(kernel: KernelAsset): Promise<string> {
  const inside = join("lib", "modules", kernel.version);
  // The lab runs this machine's modprobe where there is one, and kmod's reads lists that only its own depmod makes.
  const depmod = findCommand("depmod");
  const lists = depmod === undefined ? "" : "-kmod";
  const name = `modules-${kernel.flavour}-${kernel.packageVersion}${lists}`;
  const folder = await cached(name, async (fresh, signal) => {
    await Deno.mkdir(join(fresh, "lib", "modules"), { recursive: true });
    // Hard links: both are in the cache folder, and neither is ever written to.
    await run(["cp", "-al", kernel.modulesDir, join(fresh, inside)], { signal });
    const program = depmod === undefined
      ? [await busyboxAsset(), "depmod"] as const
      : [depmod] as const;
    await run([...program, "-b", fresh, kernel.version], { signal });
  });
  return join(folder, inside);
}

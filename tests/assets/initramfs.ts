/**
 * The initramfs of our small guests: busybox, the modules that are asked for, and an init that
 * runs one command and tells the monitor how it ended.
 *
 * ```ts
 * import { buildInitramfs, kernelAsset } from "./mod.ts";
 *
 * const initrd = await buildInitramfs({ command: "uname -a; nproc; free -m" });
 * const withDisk = await buildInitramfs({
 *   kernel: await kernelAsset("cloud"),
 *   modules: ["virtio_mmio", "virtio_blk"],
 *   command: "cat /dev/vda",
 * });
 * if (initrd === withDisk) throw new Error("each content has an archive of its own");
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { type CpioEntry, cpioPieces } from "../../loader/cpio.ts";
import { busyboxAsset } from "./busybox.ts";
import { cached, removeUnused } from "./cache.ts";
import { runText } from "./command.ts";
import { debugExitProgram } from "./debug_exit.ts";
import { guestInit, type GuestInitOptions } from "./guest_init.ts";
import type { KernelAsset } from "./kernels.ts";
import { type KernelModule, resolveModules } from "./modules.ts";

/** What a guest's initramfs has and does. */
export interface InitramfsOptions extends GuestInitOptions {
  /** The kernel whose modules are taken; needed only with `modules`. */
  readonly kernel?: KernelAsset;
  /** Modules to load before the command, by name; what they depend on comes with them. */
  readonly modules?: readonly string[];
  /** More files; they are there before the command is run. */
  readonly files?: readonly CpioEntry[];
}

/**
 * Builds a guest's initramfs, or finds one with the same content in the cache, and gives its path.
 *
 * @throws {AssetError} when a part cannot be had.
 * @throws {CpioError} for a file that an archive cannot hold, or that is there already.
 */
export async function buildInitramfs(options: InitramfsOptions): Promise<string> {
  const wanted = options.modules ?? [];
  if (wanted.length > 0 && options.kernel === undefined) {
    throw new TypeError("modules are asked for, and no kernel is given whose modules they are");
  }
  const modules = options.kernel === undefined
    ? []
    : await resolveModules(options.kernel.modulesDir, wanted);
  return await storeInitramfs([
    ...await baseEntries(),
    { path: "bin/debug-exit", type: "file", mode: 0o755, data: debugExitProgram() },
    ...moduleEntries(modules),
    ...guestInit(options, modules.map((module) => module.name)),
    ...options.files ?? [],
  ]);
}

/** Busybox with all its names, the folders to mount on, and the console of the first process. */
export async function baseEntries(): Promise<CpioEntry[]> {
  const busybox = await busyboxAsset();
  const applets = (await runText([busybox, "--list"])).trim().split("\n");
  return [
    { path: "bin/busybox", type: "file", mode: 0o755, data: await Deno.readFile(busybox) },
    ...applets.filter((name) => name !== "busybox").map((name): CpioEntry => {
      return { path: `bin/${name}`, type: "symlink", target: "busybox" };
    }),
    ...["proc", "sys", "dev", "run", "root"].map((path): CpioEntry => {
      return { path, type: "directory" };
    }),
    { path: "tmp", type: "directory", mode: 0o1777 },
    // The kernel opens it for init before init could mount devtmpfs.
    { path: "dev/console", type: "character-device", major: 5, minor: 1 },
  ];
}

/** Modules as /lib/modules/NAME.ko. */
export function moduleEntries(modules: readonly KernelModule[]): CpioEntry[] {
  return modules.map(({ name, data }) => ({ path: `lib/modules/${name}.ko`, type: "file", data }));
}

/** An initramfs that no one has asked for in so many days is removed from the cache. */
const KEPT_DAYS = 14;

/** Writes an archive into the cache, under a name made of its content, and gives its path. */
export async function storeInitramfs(entries: Iterable<CpioEntry>): Promise<string> {
  const pieces = [...cpioPieces(entries)];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  const folder = await cached(`initramfs-${hash.digest("hex").slice(0, 32)}`, async (fresh) => {
    await Deno.writeFile(join(fresh, "initramfs.cpio"), ReadableStream.from(pieces));
    await removeUnused("initramfs-", KEPT_DAYS);
  });
  const now = new Date();
  await Deno.utime(folder, now, now);
  return join(folder, "initramfs.cpio");
}

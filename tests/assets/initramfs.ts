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

import type { CpioEntry } from "../../loader/cpio.ts";
import { baseEntries, moduleEntries, storeInitramfs } from "../../src/rootfs/initramfs.ts";
import type { KernelAsset } from "../../src/rootfs/kernels.ts";
import { resolveModules } from "../../src/rootfs/modules.ts";
import { debugExitProgram } from "./debug_exit.ts";
import { guestInit, type GuestInitOptions } from "./guest_init.ts";

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
 * @throws {RootfsError} when a part cannot be had.
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

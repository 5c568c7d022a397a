/**
 * An initramfs: the root file system that a kernel unpacks into memory, out of a list of files, a
 * folder, or busybox.
 *
 * ```ts
 * import { storeInitramfs } from "denovisor/rootfs";
 *
 * const path = await storeInitramfs([
 *   { path: "etc/motd", type: "file", data: "hello\n" },
 *   { path: "init", type: "file", mode: 0o755, data: "#!/bin/sh\nexec sh\n" },
 * ]);
 * console.assert((await Deno.stat(path)).isFile);
 * ```
 *
 * The format, newc, has no extended attributes, and here no hard links: a file with two names is in
 * the archive twice.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, cpioPieces } from "../../loader/cpio.ts";
import { busyboxAsset } from "./busybox.ts";
import { cached, type CacheOptions, removeUnused, touch } from "./cache.ts";
import { runText } from "./command.ts";
import { major, minor } from "./device_number.ts";
import { RootfsError } from "./errors.ts";
import type { KernelModule } from "./modules.ts";

/** Busybox with all its names, the folders to mount on, and the console of the first process. */
export async function baseEntries(options: CacheOptions = {}): Promise<CpioEntry[]> {
  const busybox = await busyboxAsset(options);
  const applets = (await runText([busybox, "--list"])).trim().split("\n");
  return [
    { path: "bin/busybox", type: "file", mode: 0o755, data: await Deno.readFile(busybox) },
    ...applets.filter((name) => name !== "busybox").map((name): CpioEntry => {
      return { path: `bin/${name}`, type: "symlink", target: "busybox" };
    }),
    ...["etc", "proc", "sys", "dev", "run", "root"].map((path): CpioEntry => {
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

/** The most that a folder may have for an initramfs, which is held in memory more than once. */
const MAX_FOLDER_BYTES = 2 ** 30;

/**
 * Reads a folder as the entries of an archive, in the order of their names: modes, owners, links and
 * device nodes are kept; sockets, which mean nothing without their process, are left out.
 *
 * @throws {RootfsError} when the files have more than 1 GiB; use a disk image then.
 */
export async function folderEntries(folder: string, signal?: AbortSignal): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  let bytes = 0;
  const visit = async (below: string): Promise<void> => {
    const names = [];
    for await (const { name } of Deno.readDir(join(folder, below))) names.push(name);
    for (const name of names.sort()) {
      signal?.throwIfAborted();
      const path = below === "" ? name : `${below}/${name}`;
      const host = join(folder, path);
      const info = await lstat(host);
      const common = { path, mode: info.mode & 0o7777, uid: info.uid, gid: info.gid };
      if (info.isDirectory()) {
        entries.push({ ...common, type: "directory" });
        await visit(path);
      } else if (info.isSymbolicLink()) {
        entries.push({ ...common, type: "symlink", target: await readlink(host) });
      } else if (info.isFile()) {
        bytes += info.size;
        if (bytes > MAX_FOLDER_BYTES) {
          throw new RootfsError(
            `${folder} has more than 1 GiB, too much for an initramfs; make it a disk image`,
          );
        }
        entries.push({ ...common, type: "file", data: await Deno.readFile(host) });
      } else if (info.isFIFO()) {
        entries.push({ ...common, type: "fifo" });
      } else if (info.isCharacterDevice() || info.isBlockDevice()) {
        const type = info.isBlockDevice() ? "block-device" : "character-device";
        entries.push({ ...common, type, major: major(info.rdev), minor: minor(info.rdev) });
      }
    }
  };
  await visit("");
  return entries;
}

/** An initramfs that no one has asked for in so many days is removed from the cache. */
const KEPT_DAYS = 14;

/** Writes an archive into the cache, under a name made of its content, and gives its path. */
export async function storeInitramfs(
  entries: Iterable<CpioEntry>,
  options: CacheOptions = {},
): Promise<string> {
  const pieces = [...cpioPieces(entries)];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  const folder = await cached(
    `initramfs-${hash.digest("hex").slice(0, 32)}`,
    async (fresh, signal) => {
      const body = ReadableStream.from(pieces);
      await Deno.writeFile(join(fresh, "initramfs.cpio"), body, { signal });
      await removeUnused("initramfs-", KEPT_DAYS, options.folder);
    },
    options,
  );
  await touch(folder);
  return join(folder, "initramfs.cpio");
}

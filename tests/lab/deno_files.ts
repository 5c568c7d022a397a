/**
 * Deno as the lab gets it. A share answers each question of the lab's kernel with an exit to QEMU,
 * for which the lab's CPUs wait in turn: on a busy machine that takes a thousand times as long as
 * on an idle one. So the program comes on a disk of its own, and what its cache has for this
 * checkout in an archive that the lab unpacks into its memory.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { cached, removeUnused } from "../../src/rootfs/cache.ts";
import { isAbsent, run } from "../../src/rootfs/command.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";

/** An image that no lab has used in so many days is removed from the cache. */
const KEPT_DAYS = 14;
/** What ext4 needs beside the data: superblocks, bitmaps, inodes, the folder. */
const EXT4_OVERHEAD = 1.05;
const EXT4_OVERHEAD_BYTES = 4 * 1024 * 1024;

/** Programs that make file systems and archives, each with its Debian package. */
export const IMAGE_NEEDS = { "mkfs.ext4": "e2fsprogs", tar: "tar" } as const;

/**
 * Gives the path of an ext4 image that holds this Deno as `deno`, building it the first time.
 *
 * @throws {RootfsError} when it cannot be built.
 */
export async function denoImage(): Promise<string> {
  const program = Deno.execPath();
  const { size, mtime, ino } = await Deno.stat(program);
  const identity = JSON.stringify([program, size, mtime, ino, Deno.version]);
  const name = createHash("sha256").update(identity).digest("hex").slice(0, 32);
  const folder = await cached(`deno-image-${name}`, async (fresh, signal) => {
    await ensureDebianPackages(IMAGE_NEEDS);
    const content = join(fresh, "content");
    await Deno.mkdir(content);
    await Deno.copyFile(program, join(content, "deno"));
    const kibibytes = Math.ceil((size * EXT4_OVERHEAD + EXT4_OVERHEAD_BYTES) / 1024);
    const image = join(fresh, "image");
    // It is only read: a journal would have nothing to write.
    const options = ["-q", "-F", "-m", "0", "-O", "^has_journal", "-d", content];
    await run(["mkfs.ext4", ...options, image, `${kibibytes}k`], { signal });
    await Deno.remove(content, { recursive: true });
    await removeUnused("deno-image-", KEPT_DAYS);
  });
  const now = new Date();
  await Deno.utime(folder, now, now);
  return join(folder, "image");
}

/** Deno's cache folder, as Deno itself finds it (`deno info`), or `undefined` without a home. */
export function denoCacheFolder(): string | undefined {
  const own = Deno.env.get("DENO_DIR");
  if (own) return resolve(own);
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  if (xdg) return join(resolve(xdg), "deno");
  const home = Deno.env.get("HOME");
  return home ? join(home, ".cache", "deno") : undefined;
}

/** Databases of what was learnt of each module, with the log of what is not in them yet. */
const USEFUL_DATABASE = /^(?:dep_analysis|node_analysis|check)_cache_v\d+(?:-wal)?$/;
/** All databases. Those that the lab does not get would be copied through a share when opened. */
const DATABASE = /_cache_v\d+(?:-wal|-shm)?$/;

/** A part of Deno's cache. */
export interface CacheSelection {
  /** Paths in the cache folder that the lab gets; folders with all that is in them. */
  readonly packed: readonly string[];
  /** Paths in the cache folder that the lab does not see. */
  readonly hidden: readonly string[];
}

/**
 * Chooses from Deno's cache what commands in a checkout need.
 *
 * @param folder the cache folder.
 * @param checkout the checkout's path.
 */
export async function selectCache(folder: string, checkout: string): Promise<CacheSelection> {
  const packed = [join("gen", "file", checkout)];
  const hidden: string[] = [];
  for (const name of await names(folder)) {
    if (USEFUL_DATABASE.test(name)) packed.push(name);
    else if (DATABASE.test(name)) hidden.push(name);
  }
  const packages = await lockedPackages(join(checkout, "deno.lock"));
  for (const registry of await names(join(folder, "npm"))) {
    packed.push(...packages.map((name) => join("npm", registry, name)));
  }
  const there = await Promise.all(packed.map((path) => exists(join(folder, path))));
  return { packed: packed.filter((_, index) => there[index]), hidden };
}

/**
 * Has Deno transpile the checkout's modules that have changed. In the lab each would take as long
 * as a hundred here, and again in each lab. A module that cannot be parsed is left to whoever runs it.
 */
export async function transpile(checkout: string): Promise<void> {
  const modules: string[] = [];
  await collectModules(checkout, modules);
  await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--no-check", ...modules],
    cwd: checkout,
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
}

async function collectModules(folder: string, modules: string[]): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory && entry.name !== "node_modules" && !entry.name.startsWith(".")) {
      await collectModules(path, modules);
    } else if (entry.isFile && entry.name.endsWith(".ts")) modules.push(path);
  }
}

/** Names of the npm packages in a lock file: its keys are `name@version`, with peers behind `_`. */
async function lockedPackages(path: string): Promise<string[]> {
  let lock: unknown;
  try {
    lock = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
  const npm = typeof lock === "object" && lock !== null && "npm" in lock ? lock.npm : {};
  const keys = Object.keys(npm ?? {});
  return [...new Set(keys.map((key) => key.slice(0, key.indexOf("@", 1))))];
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await names(dirname(path))).includes(path.slice(path.lastIndexOf("/") + 1));
}

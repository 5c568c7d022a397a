/**
 * Images of disks on the host, and what guests need to make file systems on them.
 * @module
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { CpioEntry } from "../../loader/mod.ts";
import { findCommand, run, runText } from "../../src/rootfs/command.ts";
import { ensureDebianPackages } from "../assets/mod.ts";

const E2FSPROGS = { "mkfs.ext4": "e2fsprogs", debugfs: "e2fsprogs", e2fsck: "e2fsprogs" };

/** Whether temporary files can be opened with O_DIRECT; a tmpfs may not know it. */
export async function knowsDirect(): Promise<boolean> {
  const path = await Deno.makeTempFile();
  try {
    await (await open(path, constants.O_RDONLY | constants.O_DIRECT)).close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EINVAL") return false;
    throw error;
  } finally {
    await Deno.remove(path);
  }
}

/** Makes an image that takes no room yet. */
export async function emptyImage(path: string, bytes: number): Promise<string> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, bytes);
  return path;
}

/** How much room a file takes on the host, in bytes. */
export async function allocated(path: string): Promise<number> {
  // st_blocks counts in units of 512 bytes (stat(2)).
  return (await Deno.stat(path)).blocks! * 512;
}

/** The SHA-256 of a part of a file in hexadecimal. */
export async function digestOf(path: string, offset: number, length: number): Promise<string> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(1 << 20);
  for (let left = length; left > 0;) {
    const read = await file.read(chunk.subarray(0, Math.min(left, chunk.length)));
    if (read === null) throw new Error(`${path} ends ${left} bytes early`);
    hash.update(chunk.subarray(0, read));
    left -= read;
  }
  return hash.digest("hex");
}

/** mkfs.ext4 as Debian has it, with its libraries: busybox knows nothing beyond ext2. */
export async function mkfsFiles(): Promise<CpioEntry[]> {
  await ensureDebianPackages(E2FSPROGS);
  const program = findCommand("mkfs.ext4")!;
  const libraries = [...(await runText(["ldd", program])).matchAll(/(\/\S+) \(0x/g)];
  const files = libraries.map(([, path]) => ({ path: path.slice(1), from: path }));
  files.push({ path: "bin/mkfs.ext4", from: program });
  return await Promise.all(files.map(async ({ path, from }): Promise<CpioEntry> => {
    return { path, type: "file", mode: 0o755, data: await Deno.readFile(from) };
  }));
}

/**
 * Takes files out of the ext4 file system of a disk that a guest has mounted, as if its machine had lost power now:
 * the journal of a copy is replayed, and the copy is checked.
 *
 * @returns the SHA-256 of each in hexadecimal
 * @throws {CommandError} when the file system is damaged
 */
export async function filesOf(
  image: string,
  names: readonly string[],
  folder: string,
): Promise<string[]> {
  await ensureDebianPackages(E2FSPROGS);
  const copy = join(folder, "copy.img");
  try {
    await run(["cp", "--sparse=always", image, copy]);
    await run(["e2fsck", "-E", "journal_only", "-p", copy]);
    await run(["e2fsck", "-f", "-n", copy]);
    return await Promise.all(names.map(async (name) => {
      const path = join(folder, name);
      await run(["debugfs", "-R", `dump /${name} ${path}`, copy]);
      return await digestOf(path, 0, (await Deno.stat(path)).size);
    }));
  } finally {
    await Deno.remove(copy);
  }
}

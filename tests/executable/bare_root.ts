/**
 * A root file system that has nothing but one program and the shared libraries that it is linked with.
 *
 * The libraries are this machine's own, where its loader finds them (ldd(1)). Two things more are there, which are no
 * files: KVM's device, and proc(5), because Deno asks it where its own file is (`/proc/self/exe`) and can't run without.
 * @module
 */
import { dirname, join } from "node:path";
import type { CpioEntry } from "../../loader/cpio.ts";
import { runText } from "../../src/rootfs/command.ts";
import { RootfsError } from "../../src/rootfs/errors.ts";

/** Where the program is in its root. */
export const PROGRAM_PATH = "/denovisor";

/** KVM's device (the kernel's Documentation/admin-guide/devices.txt, 10 char). */
const KVM_DEVICE = { major: 10, minor: 232 } as const;

/** Folders that something is mounted on. */
const MOUNT_POINTS = ["dev", "proc"] as const;

/**
 * The files that a program is linked with, by the paths where its loader finds them; the loader is one of them.
 *
 * @throws {RootfsError} when a library is missing, or the file is no program of this machine's.
 */
export async function sharedLibraries(program: string): Promise<string[]> {
  const listing = await runText(["ldd", program]);
  const missing = /^\s*(\S+) => not found/m.exec(listing);
  if (missing !== null) throw new RootfsError(`${program} needs ${missing[1]}, which is not here`);
  const paths = [...listing.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1]);
  if (paths.length === 0) throw new RootfsError(`ldd names no library of ${program}`);
  return paths.sort();
}

/** All files of a program's bare root: their paths in it, and where they are on this machine. */
async function bareRootFiles(program: string): Promise<[path: string, from: string][]> {
  const libraries = await sharedLibraries(program);
  return [[PROGRAM_PATH, program], ...libraries.map((path): [string, string] => [path, path])];
}

/**
 * The entries of a program's bare root, for an archive.
 *
 * @throws {RootfsError} when a library is missing
 */
export async function bareRootEntries(program: string): Promise<CpioEntry[]> {
  const files = await bareRootFiles(program);
  return [
    ...MOUNT_POINTS.map((path): CpioEntry => ({ path, type: "directory" })),
    { path: "dev/kvm", type: "character-device", mode: 0o666, ...KVM_DEVICE },
    ...await Promise.all(files.map(async ([path, from]): Promise<CpioEntry> => {
      return { path, type: "file", mode: 0o755, data: await Deno.readFile(from) };
    })),
  ];
}

/** Copies a program's bare root into an empty folder; its mount points are left empty. */
export async function makeBareRoot(program: string, folder: string): Promise<void> {
  for (const name of MOUNT_POINTS) await Deno.mkdir(join(folder, name));
  for (const [path, from] of await bareRootFiles(program)) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.copyFile(from, join(folder, path));
  }
}

/**
 * ext4 images, made by e2fsprogs: mkfs.ext4 fills a new file system from a folder without mounting it
 * (mke2fs(8), `-d`), so neither a loop device nor root is needed.
 *
 * Owners, modes, links, device nodes and extended attributes are those of the folder.
 *
 * @module
 */

import { isAbsent, run } from "./command.ts";
import { CommandError, RootfsError } from "./errors.ts";
import { ensureDebianPackages } from "./packages.ts";
import { Progress } from "./progress.ts";

/** What the tools here are part of. */
const E2FSPROGS = {
  "mkfs.ext4": "e2fsprogs",
  debugfs: "e2fsprogs",
  resize2fs: "e2fsprogs",
  e2fsck: "e2fsprogs",
};

/** How much a tree has. */
export interface TreeSize {
  /** Files, folders, links and everything else that has a name. */
  readonly entries: number;
  /** Bytes of blocks that the files' contents take. */
  readonly bytes: number;
}

/** The block size of every image that is made here. */
const BLOCK = 4096;
/** Of an inode, and about as much for its name. */
const ENTRY_BYTES = 512;
/** Room for the journal and the group descriptors. The file is sparse, so room costs nothing. */
const FIXED_BYTES = 64 << 20;
/** The most bytes that an image is made for: more is a mistake or an attack. */
export const MAX_IMAGE_BYTES = 2 ** 40;

/** How many bytes a file's content takes on disk. */
export function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** The size of an image that holds a tree with room to spare: an eighth more and 64 MiB. */
export function imageSize({ entries, bytes }: TreeSize): number {
  const needed = bytes + entries * (ENTRY_BYTES + BLOCK / 8);
  return blocksOf(Math.ceil(needed * 1.125)) + FIXED_BYTES;
}

/** The root folder of a file system, whose mode and owner mkfs.ext4 does not copy. */
export interface RootFolder {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What {@linkcode makeExt4} makes. */
export interface Ext4Options {
  /** The folder whose content it gets. */
  readonly folder: string;
  /** The image, which is not there yet. */
  readonly image: string;
  readonly size: TreeSize;
  readonly root: RootFolder;
  /** The names that the root folder has: of {@linkcode MOUNT_POINTS} it gets those that it lacks. */
  readonly names: ReadonlySet<string>;
  readonly signal?: AbortSignal;
}

/** What a guest mounts on. Images for containers often lack them, and a root that is only read can't get them later. */
const MOUNT_POINTS = ["dev", "proc", "sys", "run", "tmp"];

/** A program and its arguments. */
export type Command = readonly [string, ...string[]];

/** The commands that make an image: mkfs.ext4, which reads the folder, and then what needs no folder. */
export function ext4Commands({ folder, image, size, root, names }: Ext4Options): Command[] {
  const bytes = imageSize(size);
  if (bytes > MAX_IMAGE_BYTES) {
    throw new RootfsError(`${folder} would take an image of ${bytes} bytes; the most is 1 TiB`);
  }
  const inodes = Math.ceil(size.entries * 1.25) + 1024;
  const owner = `root_owner=${root.uid}:${root.gid}`;
  return [
    // No blocks are kept for root: whoever writes there is root.
    [
      ...["mkfs.ext4", "-q", "-F", "-L", "root", "-b", `${BLOCK}`, "-m", "0"] as const,
      ...(inodes > bytes / 16384 ? ["-N", `${inodes}`] : []),
      ...["-E", owner, "-d", folder, image, `${bytes / 1024}k`],
    ],
    ...[
      `set_inode_field / mode 04${octal(root.mode)}`,
      ...MOUNT_POINTS.filter((name) => !names.has(name)).map((name) => `mkdir /${name}`),
    ].map((request): Command => ["debugfs", "-w", "-R", request, image]),
  ];
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

/**
 * Makes an image of a folder, as whoever we are.
 *
 * @throws {CommandError} with what mkfs.ext4 says, as of a file that can't be read.
 */
export async function makeExt4(options: Ext4Options): Promise<void> {
  await ensureExt4Tools();
  using _progress = new Progress("writing a disk image");
  for (const command of ext4Commands(options)) {
    await run(command, { signal: options.signal });
  }
}

/** Sees to it that e2fsprogs is there. */
export async function ensureExt4Tools(): Promise<void> {
  await ensureDebianPackages(E2FSPROGS);
}

/**
 * Makes an image larger, to a size in bytes; nobody may use it meanwhile.
 *
 * @throws {RootfsError} when it is larger already.
 */
export async function growExt4(image: string, size: number, signal?: AbortSignal): Promise<void> {
  const { size: now } = await Deno.stat(image);
  if (size < now) {
    throw new RootfsError(
      `a size of ${size} bytes is too small: what is to be on the disk takes an image of ${now}`,
    );
  }
  await ensureExt4Tools();
  await Deno.truncate(image, blocksOf(size));
  // resize2fs wants it looked at; 1 says that something was put right, as the journal's last entries.
  try {
    await run(["e2fsck", "-f", "-p", image], { signal });
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 1) throw error;
  }
  await run(["resize2fs", image], { signal });
}

/** Where ext4's superblock has its magic number (ext4 data structures, "Super Block"). */
const MAGIC_OFFSET = 1024 + 0x38;
const MAGIC = 0xef53;

/** Whether a file begins as an ext2, ext3 or ext4 file system does. */
export function isExt4(head: Uint8Array<ArrayBuffer>): boolean {
  if (head.byteLength < MAGIC_OFFSET + 2) return false;
  return new DataView(head.buffer, head.byteOffset).getUint16(MAGIC_OFFSET, true) === MAGIC;
}

/** Offset of the superblock's `s_feature_incompat`, and its bit for a journal that has to be replayed. */
const INCOMPAT_OFFSET = 1024 + 0x60;
const INCOMPAT_RECOVER = 0x4;

/** Whether the file system was in use when its machine ended: it can't be mounted without being written to. */
export function needsRecovery(head: Uint8Array<ArrayBuffer>): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return (view.getUint32(INCOMPAT_OFFSET, true) & INCOMPAT_RECOVER) !== 0;
}

/** Whether there is a file or folder. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/**
 * An ext4 image of a tree.
 *
 * The tree is written as a plain tar archive to GNU tar, which unpacks it into a folder that only its
 * owner may enter, and mkfs.ext4 makes the image of that. Files get their owners where we are root; for
 * anybody else the programs run under fakeroot(1), which answers the calls that only root may make as if
 * they had been obeyed, and remembers what was asked. Newer e2fsprogs (1.47.1) read the archive
 * themselves; Debian 12's can't.
 *
 * @module
 */

import { join } from "node:path";
import { run, stream } from "./command.ts";
import { type Command, ensureExt4Tools, ext4Commands } from "./ext4.ts";
import { ensureDebianPackages } from "./packages.ts";
import { Progress } from "./progress.ts";
import { tarPieces, treeSize } from "./tar_writer.ts";
import type { Folder, Tree } from "./tree.ts";

/** How an image is made. */
export interface TreeImageOptions {
  /** Whether fakeroot is root for us; where we are not root by default. */
  readonly fakeroot?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * All run in one shell: who owns what is known to fakeroot only as long as that lives. The arguments are the
 * folder, the file with extended attributes, and the command that makes the image.
 */
const ROOT_SCRIPT = `tar --extract --file=- --directory="$1" --numeric-owner --same-owner \
  --preserve-permissions --xattrs --xattrs-include='*' && shift 2 && exec "$@"`;

/**
 * fakeroot forgets what kind of file it is of which tar sets attributes, and not when setfattr does after tar
 * has set the owner: which it does for every file when none seems to be root's already.
 */
const FAKEROOT_SCRIPT = `tar --extract --file=- --directory="$1" --numeric-owner --same-owner \
  --preserve-permissions && (cd "$1" && setfattr --no-dereference --restore="$2") && shift 2 &&
  exec "$@"`;

const FAKEROOT: Command = ["fakeroot", "--unknown-is-real", "--"];

/**
 * Writes a tree to an image.
 *
 * @param scratch a folder for what is needed meanwhile; it is the caller's to remove.
 * @throws {CommandError} with what tar or mkfs.ext4 says.
 * @throws {MissingCommandsError} when one isn't installed and can't be.
 */
export async function treeImage(
  tree: Tree,
  scratch: string,
  image: string,
  { fakeroot = Deno.uid() !== 0, signal }: TreeImageOptions = {},
): Promise<void> {
  await ensureDebianPackages({ tar: "tar" });
  if (fakeroot) await ensureDebianPackages({ fakeroot: "fakeroot", setfattr: "attr" });
  await ensureExt4Tools();
  using _progress = new Progress(`writing ${tree.name} to a disk image`);
  const [folder, attributes] = [join(scratch, "tree"), join(scratch, "attributes")];
  await Deno.mkdir(folder, { mode: 0o700 });
  await Deno.writeTextFile(attributes, attributesText(tree));
  const [make, ...finish] = ext4Commands({
    folder,
    image,
    size: treeSize(tree),
    root: tree.root.meta,
    names: new Set(tree.root.children.keys()),
  });
  const script = fakeroot ? FAKEROOT_SCRIPT : ROOT_SCRIPT;
  const shell: Command = ["sh", "-c", script, "sh", folder, attributes, ...make];
  const { output, ended } = stream(fakeroot ? [...FAKEROOT, ...shell] : shell, {
    input: ReadableStream.from(tarPieces(tree, signal)),
    signal,
  });
  await output.pipeTo(new WritableStream());
  await ended;
  for (const command of finish) await run(command, { signal });
}

/** The tree's extended attributes as setfattr(1) reads them. */
function attributesText(tree: Tree): string {
  const paragraphs: string[] = [];
  const visit = (folder: Folder, above: string) => {
    for (const [name, node] of folder.children) {
      const path = above === "" ? name : `${above}/${name}`;
      const { xattrs } = node.type === "directory" ? node.meta : node.leaf.meta;
      if (xattrs.size > 0) {
        const lines = [...xattrs].map(([key, value]) => `${quoted(key)}=0s${btoa(value)}`);
        paragraphs.push([`# file: ${quoted(path)}`, ...lines, "", ""].join("\n"));
      }
      if (node.type === "directory") visit(node, path);
    }
  };
  visit(tree.root, "");
  return paragraphs.join("");
}

/** Bytes other than plain ones as `\ooo`. */
function quoted(bytes: string): string {
  return bytes.replace(/[^!-<>-[\]-~]/g, (byte) => {
    return `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}

/**
 * ext4 images of archives: a tar of a root file system, or an OCI image.
 *
 * An archive becomes a tree (tree.ts), which is checked and whole before anything of it is written; the
 * tree becomes an image (tree_image.ts).
 *
 * @module
 */

import { join } from "node:path";
import { cached, type CacheOptions, removeUnused, touch } from "./cache.ts";
import { RootfsError } from "./errors.ts";
import { KEPT_DAYS } from "./folder.ts";
import {
  findImage,
  type Image,
  type ImageChoice,
  type ImageEntry,
  imageEntry,
  imageTree,
} from "./oci.ts";
import { archiveStore, folderStore, type ImageStore } from "./oci_store.ts";
import { DEFAULT_MOST_BYTES, hashFile, type Scratch, uncompressed } from "./spool.ts";
import { tarEntries } from "./tar_reader.ts";
import { Tree } from "./tree.ts";
import { treeImage } from "./tree_image.ts";

/** Bumped when the same archive makes another image. */
const RECIPE = 2;

/** A disk image, and what is to be run in it where it comes of an OCI image. */
export interface ArchiveImage {
  readonly image: string;
  readonly entry?: ImageEntry;
}

/** Which image of an archive, and how much it may be. */
export interface ArchiveOptions extends CacheOptions, ImageChoice {
  /** Bytes that everything in it may unpack to; 64 GiB by default. */
  readonly mostBytes?: number;
}

/**
 * Gives an ext4 image of an archive, compressed or not: a tar of a root file system, an OCI layout, or
 * what `docker save` writes. Made the first time.
 *
 * @throws {RootfsError} when it is damaged, or can't be used here.
 */
export async function archiveImage(
  path: string,
  options: ArchiveOptions = {},
): Promise<ArchiveImage> {
  const { digest, region } = await hashFile(path, options.signal);
  const key = itemName("archive", digest, options);
  return await item(key, options, async (scratch) => {
    const tree = new Tree(path);
    const plain = await uncompressed(region, path, scratch);
    for await (const entry of tarEntries(plain, path)) {
      scratch.signal?.throwIfAborted();
      tree.add(entry, false);
    }
    const store = archiveStore(tree);
    if (!await isImage(store)) {
      if (options.reference === undefined) return { tree };
      throw new RootfsError(`${path} is no OCI image: it can't be asked for ${options.reference}`);
    }
    return await read(store, await findImage(store, options), scratch);
  });
}

/**
 * Gives an ext4 image of the image in a folder with an OCI layout. Made the first time.
 *
 * @throws {RootfsError} when it is damaged, or can't be used here.
 */
export async function layoutImage(
  folder: string,
  options: ArchiveOptions = {},
): Promise<ArchiveImage> {
  const store = folderStore(folder);
  const image = await findImage(store, options);
  const key = itemName("oci", image.id.split(":")[1], {});
  return await item(key, options, (scratch) => read(store, image, scratch));
}

/** An archive of an OCI layout has its marker; one of `docker save` has a manifest.json beside it or instead. */
async function isImage(store: ImageStore): Promise<boolean> {
  for (const file of ["oci-layout", "manifest.json"]) {
    if (await store.find(file) !== undefined) return true;
  }
  return false;
}

function itemName(kind: string, digest: string, { reference, architecture }: ImageChoice): string {
  const choice = [reference, architecture].map((word) => encode(word ?? "")).join("-");
  return `ext4-${kind}-${RECIPE}-${digest.slice(0, 32)}-${choice}`;
}

/** A word with the characters that an item's name may have, and none of another word's. */
function encode(word: string): string {
  return new TextEncoder().encode(word).toHex();
}

/** What is made into an image. */
interface Content {
  readonly tree: Tree;
  readonly entry?: ImageEntry;
}

async function read(store: ImageStore, image: Image, scratch: Scratch): Promise<Content> {
  return { tree: await imageTree(store, image, scratch), entry: imageEntry(image.config) };
}

const IMAGE = "root.ext4";
const ENTRY = "entry.json";

async function item(
  name: string,
  options: ArchiveOptions,
  content: (scratch: Scratch) => Promise<Content>,
): Promise<ArchiveImage> {
  const path = await cached(name, async (fresh, signal) => {
    const folder = join(fresh, "scratch");
    await Deno.mkdir(folder, { mode: 0o700 });
    const scratch = { folder, left: options.mostBytes ?? DEFAULT_MOST_BYTES, signal };
    const { tree, entry } = await content(scratch);
    await treeImage(tree, folder, join(fresh, IMAGE), { signal });
    await Deno.writeTextFile(join(fresh, ENTRY), JSON.stringify(entry ?? null) + "\n");
    await Deno.remove(folder, { recursive: true });
    await removeUnused("ext4-", KEPT_DAYS, options.folder);
  }, options);
  await touch(path);
  const entry: ImageEntry | null = JSON.parse(await Deno.readTextFile(join(path, ENTRY)));
  return { image: join(path, IMAGE), ...(entry === null ? {} : { entry }) };
}

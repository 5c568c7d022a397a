/**
 * Where an image's files are: in a folder that has an OCI layout, or in an archive of one or of
 * `docker save`. Each gives a file by its name in the layout.
 *
 * @module
 */

import { join } from "node:path";
import { isAbsent } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { type Region, regionBytes, regionDigest } from "./region.ts";
import type { Descriptor } from "./oci_schema.ts";
import type { Tree } from "./tree.ts";

/** The files of an image. */
export interface ImageStore {
  /** What messages call it. */
  readonly name: string;
  /** Where a file is, by its path from the layout's root; `undefined` where there is none. */
  find(path: string): Promise<Region | undefined>;
}

/** A folder with an OCI layout (image-layout.md). */
export function folderStore(folder: string): ImageStore {
  return {
    name: folder,
    async find(path) {
      const file = join(folder, path);
      try {
        const info = await Deno.stat(file);
        return info.isFile ? { file, offset: 0, size: info.size } : undefined;
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
  };
}

/** An archive that was read into a tree. Old ones have links in place of layers that are there already. */
export function archiveStore(tree: Tree): ImageStore {
  return {
    name: tree.name,
    find(path) {
      const found = tree.find(path);
      return Promise.resolve(found?.type === "file" ? found.content : undefined);
    },
  };
}

/** The most bytes of an index, a manifest or a configuration: 4 MiB, as registries have it. */
const MAX_DOCUMENT = 4 << 20;

/**
 * A small file of the image.
 *
 * @throws {RootfsError} when it isn't there, or larger than any document is.
 */
export async function readFile(store: ImageStore, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const region = await store.find(path);
  if (region === undefined) throw new RootfsError(`${store.name}: there is no ${path} in it`);
  return await regionBytes(region, MAX_DOCUMENT);
}

/**
 * A blob, which is what its descriptor says.
 *
 * @throws {RootfsError} when it isn't there, or has another size or digest.
 */
export async function findBlob(
  store: ImageStore,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  signal?: AbortSignal,
): Promise<Region> {
  const region = await store.find(`blobs/${digest.replace(":", "/")}`);
  if (region === undefined) throw new RootfsError(`${store.name}: the blob ${digest} is not in it`);
  if (region.size !== size) {
    throw new RootfsError(
      `${store.name}: the blob ${digest} has ${region.size} bytes, not ${size}`,
    );
  }
  await verifyDigest(region, digest, `${store.name}: the blob ${digest}`, signal);
  return region;
}

/**
 * Compares content with a digest.
 *
 * @throws {RootfsError} when it is another content.
 */
export async function verifyDigest(
  region: Region,
  digest: string,
  what: string,
  signal?: AbortSignal,
): Promise<void> {
  const [algorithm, wanted] = digest.split(":");
  const found = await regionDigest(region, algorithm === "sha512" ? "sha512" : "sha256", signal);
  if (found !== wanted) {
    throw new RootfsError(`${what} is damaged: its digest is ${algorithm}:${found}`);
  }
}

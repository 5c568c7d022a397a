/**
 * OCI images: from a layout or an archive to the tree that their layers make, and what is to be run in it.
 *
 * Sources: OCI image-spec 1.1, `image-layout.md`, `image-index.md`, `layer.md` ("Applying Changesets"),
 * `config.md`; the archives of `docker save` (moby, `image/spec/v1.2.md`).
 *
 * Every blob is held against its digest before anything of it is read, and every layer, once it is
 * unpacked, against the one that the configuration gives; the archive's own index is the root of trust.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { RootfsError } from "./errors.ts";
import {
  Config,
  type Descriptor,
  DockerManifest,
  Index,
  isIndex,
  Manifest,
  readDocument,
} from "./oci_schema.ts";
import { findBlob, type ImageStore, readFile, verifyDigest } from "./oci_store.ts";
import { Progress } from "./progress.ts";
import { type Region, regionBytes } from "./region.ts";
import { type Scratch, uncompressed } from "./spool.ts";
import { tarEntries } from "./tar_reader.ts";
import { Tree } from "./tree.ts";

/** Which image of several is wanted. */
export interface ImageChoice {
  /** Its name or tag, where there are several. */
  readonly reference?: string;
  /** GOARCH's name of its processor; the host's by default. */
  readonly architecture?: string;
}

/** What an OCI image says is to be run in it (image-spec, config.md). */
export interface ImageEntry {
  /** The entrypoint with its arguments; empty where the image names none. */
  readonly command: readonly string[];
  /** Variables. */
  readonly env: Readonly<Record<string, string>>;
  /** `user`, `uid`, `user:group` or `uid:gid`; empty for root. */
  readonly user: string;
  /** The folder to run it in. */
  readonly cwd: string;
}

/** An image of a store, with nothing read yet but its documents. */
export interface Image {
  /** The digest of its configuration, which the digests of its layers are part of: it names the content. */
  readonly id: string;
  readonly config: Config;
  /** The layers as they are stored, the lowest first; each is verified when it is called. */
  readonly layers: readonly ((signal?: AbortSignal) => Promise<Region>)[];
}

/** The most bytes of a document. */
const MAX_DOCUMENT = 4 << 20;
/** Indexes within indexes: the specification has one level, and tools make two. */
const MAX_DEPTH = 4;

/** GOARCH's names of the processors that Deno runs on. */
const ARCHITECTURES = { x86_64: "amd64", aarch64: "arm64" } as const;

/**
 * Finds an image.
 *
 * @throws {RootfsError} when there is none, none for this processor, or several and no choice.
 */
export async function findImage(store: ImageStore, choice: ImageChoice = {}): Promise<Image> {
  const architecture = choice.architecture ?? ARCHITECTURES[Deno.build.arch];
  const found = await store.find("index.json") === undefined
    ? await dockerImage(store, choice)
    : await layoutImage(store, choice, architecture);
  const { os, architecture: made, rootfs } = found.config;
  if (os !== "linux" || made !== architecture) {
    throw new RootfsError(
      `${store.name}: the image is for ${os} on ${made}, and not for linux on ${architecture}`,
    );
  }
  if (rootfs.diff_ids.length !== found.layers.length) {
    throw new RootfsError(
      `${store.name}: the image has ${found.layers.length} layers, and its configuration says ` +
        `${rootfs.diff_ids.length}`,
    );
  }
  return found;
}

async function layoutImage(
  store: ImageStore,
  { reference }: ImageChoice,
  architecture: string,
): Promise<Image> {
  let manifests = readDocument(Index, await readFile(store, "index.json"), "index.json").manifests;
  if (reference !== undefined) {
    manifests = manifests.filter((descriptor) => namesOf(descriptor).includes(reference));
    if (manifests.length === 0) throw noSuchImage(store, reference);
  }
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const fitting = manifests.filter(({ platform }) =>
      platform === undefined || (platform.os === "linux" && platform.architecture === architecture)
    );
    if (fitting.length === 0) {
      const platforms = manifests.map(({ platform }) =>
        `${platform?.os}/${platform?.architecture}`
      );
      throw new RootfsError(
        `${store.name}: there is no image for linux/${architecture} in it, but for ` +
          (platforms.join(", ") || "nothing at all"),
      );
    }
    const digests = new Set(fitting.map(({ digest }) => digest));
    // At the top each is an image of its own, below it each is the same for another processor.
    if (depth === 0 && digests.size > 1) throw several(store, fitting.flatMap(namesOf));
    const [chosen] = fitting;
    const blob = await findBlob(store, chosen);
    const bytes = await regionBytes(blob, MAX_DOCUMENT);
    if (!isIndex(chosen)) return await manifestImage(store, bytes, chosen.digest);
    manifests = readDocument(Index, bytes, chosen.digest).manifests;
  }
  throw new RootfsError(`${store.name}: there are too many indexes within indexes`);
}

async function manifestImage(
  store: ImageStore,
  bytes: Uint8Array,
  digest: string,
): Promise<Image> {
  const manifest = readDocument(Manifest, bytes, digest);
  const config = await regionBytes(await findBlob(store, manifest.config), MAX_DOCUMENT);
  return {
    id: manifest.config.digest,
    config: readDocument(Config, config, manifest.config.digest),
    layers: manifest.layers.map((layer) => (signal) => findBlob(store, layer, signal)),
  };
}

/** The layers' own digests are in the configuration; `docker save` has none of the files that it writes. */
async function dockerImage(store: ImageStore, { reference }: ImageChoice): Promise<Image> {
  const bytes = await readFile(store, "manifest.json");
  const images = readDocument(DockerManifest, bytes, "manifest.json");
  const wanted = reference === undefined
    ? images
    : images.filter(({ RepoTags }) => RepoTags.includes(reference));
  if (wanted.length === 0) throw noSuchImage(store, reference ?? "any");
  if (wanted.length > 1) throw several(store, wanted.flatMap(({ RepoTags }) => RepoTags));
  const [{ Config: path, Layers }] = wanted;
  const config = await readFile(store, path);
  const digest = createHash("sha256").update(config).digest("hex");
  const named = /([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (named !== undefined && named !== digest) {
    throw new RootfsError(`${store.name}: ${path} is damaged: its digest is sha256:${digest}`);
  }
  return {
    id: `sha256:${digest}`,
    config: readDocument(Config, config, path),
    layers: Layers.map((layer) => async () => {
      const region = await store.find(layer);
      if (region === undefined) throw new RootfsError(`${store.name}: there is no ${layer} in it`);
      return region;
    }),
  };
}

/** The names that tools give to an image in an index. */
function namesOf({ annotations }: Descriptor): string[] {
  return ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
    .flatMap((key) => annotations[key] ?? []);
}

function several(store: ImageStore, names: readonly string[]): RootfsError {
  const list = names.length === 0 ? "which have no names" : names.join(", ");
  return new RootfsError(
    `${store.name}: there are several images in it, ${list}: say which by its reference`,
  );
}

function noSuchImage(store: ImageStore, reference: string): RootfsError {
  return new RootfsError(`${store.name}: there is no image ${JSON.stringify(reference)} in it`);
}

/**
 * Lays an image's layers over one another.
 *
 * @throws {RootfsError} when a layer isn't what its digest says, or has what a tree can't have.
 */
export async function imageTree(store: ImageStore, image: Image, scratch: Scratch): Promise<Tree> {
  const tree = new Tree(store.name);
  for (const [index, open] of image.layers.entries()) {
    const name = `${store.name}: layer ${index + 1} of ${image.layers.length}`;
    using _progress = new Progress(`reading ${name}`);
    const layer = await uncompressed(await open(scratch.signal), name, scratch);
    await verifyDigest(layer, image.config.rootfs.diff_ids[index], name, scratch.signal);
    tree.beginLayer();
    for await (const entry of tarEntries(layer, name)) {
      scratch.signal?.throwIfAborted();
      tree.add(entry, true);
    }
  }
  return tree;
}

/** What is to be run in an image. */
export function imageEntry({ config }: Config): ImageEntry {
  const { Entrypoint = [], Cmd = [], Env = [], User = "", WorkingDir = "" } = config ?? {};
  const env = (Env ?? []).map((variable): [string, string] => {
    const equals = variable.indexOf("=");
    return equals === -1 ? [variable, ""] : [variable.slice(0, equals), variable.slice(equals + 1)];
  });
  return {
    command: [...Entrypoint ?? [], ...Cmd ?? []],
    env: Object.fromEntries(env),
    user: User ?? "",
    cwd: WorkingDir || "/",
  };
}

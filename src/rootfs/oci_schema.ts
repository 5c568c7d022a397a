/**
 * The documents of an OCI image: what of them is read, and nothing else of them is believed.
 *
 * Sources: OCI image-spec 1.1, `descriptor.md`, `image-index.md`, `manifest.md`, `config.md`; the
 * manifest.json of `docker save` (moby, `image/spec/v1.2.md`).
 *
 * @module
 */

import * as v from "valibot";
import { RootfsError } from "./errors.ts";

/** `algorithm:hex`, of the algorithms that the specification registers. */
const Digest = v.pipe(
  v.string(),
  v.regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, "a digest is sha256:HEX or sha512:HEX"),
);

const Annotations = v.optional(v.record(v.string(), v.string()), {});

const Descriptor = v.object({
  mediaType: v.optional(v.string(), ""),
  digest: Digest,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.optional(v.object({ architecture: v.string(), os: v.string() })),
  annotations: Annotations,
});

/** A reference to a blob, by its digest. */
export type Descriptor = v.InferOutput<typeof Descriptor>;

/** index.json, and an image index that it refers to. */
export const Index = v.object({ manifests: v.pipe(v.array(Descriptor), v.maxLength(10_000)) });

/** An image manifest. */
export const Manifest = v.object({
  config: Descriptor,
  layers: v.pipe(v.array(Descriptor), v.maxLength(10_000)),
});

const Strings = v.nullish(v.array(v.string()), []);

/** An image's configuration. */
export const Config = v.object({
  architecture: v.string(),
  os: v.string(),
  config: v.nullish(
    v.object({
      User: v.nullish(v.string(), ""),
      Env: Strings,
      Entrypoint: Strings,
      Cmd: Strings,
      WorkingDir: v.nullish(v.string(), ""),
    }),
    {},
  ),
  rootfs: v.object({ type: v.literal("layers"), diff_ids: v.array(Digest) }),
});

/** An image's configuration. */
export type Config = v.InferOutput<typeof Config>;

/** The manifest.json of `docker save`. */
export const DockerManifest = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string()), []),
    Layers: v.pipe(v.array(v.string()), v.maxLength(10_000)),
  }),
);

const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** Whether a descriptor refers to an index of more. */
export function isIndex({ mediaType }: Descriptor): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/**
 * Reads a JSON document.
 *
 * @param name what messages call it.
 * @throws {RootfsError} when it is none, or not of this kind.
 */
export function readDocument<Schema extends v.GenericSchema>(
  schema: Schema,
  bytes: Uint8Array,
  name: string,
): v.InferOutput<Schema> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RootfsError(`${name} is not JSON`, { cause });
  }
  const result = v.safeParse(schema, document);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new RootfsError(`${name}: ${v.getDotPath(issue) ?? "document"}: ${issue.message}`);
}

/**
 * Debian's stock kernels, as bzImage and as the ELF image inside it.
 *
 * @module
 */

import { join } from "node:path";
import * as v from "valibot";
import { cached, type CacheOptions } from "./cache.ts";
import { run } from "./command.ts";
import { isElf } from "./elf.ts";
import { RootfsError } from "./errors.ts";
import { ensureDebianPackages, findPackage, unpackPackage } from "./packages.ts";
import { bzImagePayload } from "./payload.ts";
import { Progress } from "./progress.ts";

/** Debian's flavours: "generic" has every driver, "cloud" only what virtual machines need. */
export type KernelFlavour = "generic" | "cloud";

/** A kernel in the cache. */
export interface KernelAsset {
  readonly flavour: KernelFlavour;
  /** Path of the bzImage. */
  readonly vmlinuz: string;
  /** Path of the folder that has `kernel/` and `modules.builtin`. */
  readonly modulesDir: string;
  /** Path of the build configuration. */
  readonly config: string;
  /** What `uname -r` prints, as "6.1.0-56-amd64". */
  readonly version: string;
  /** The Debian package's name and version. */
  readonly package: string;
  readonly packageVersion: string;
}

const META_PACKAGES: Readonly<Record<KernelFlavour, string>> = {
  generic: "linux-image-amd64",
  cloud: "linux-image-cloud-amd64",
};

/** What is stored beside a kernel's files, as asset.json. */
const Manifest = v.strictObject({
  package: v.string(),
  packageVersion: v.pipe(v.string(), v.regex(/^[A-Za-z0-9.+~-]+$/)),
  sha256: v.string(),
  version: v.pipe(v.string(), v.regex(/^[^/]+$/)),
});

/**
 * Gives a stock kernel, fetching it the first time.
 *
 * @throws {RootfsError} when it cannot be had.
 */
export async function kernelAsset(
  flavour: KernelFlavour,
  options: CacheOptions = {},
): Promise<KernelAsset> {
  const folder = await cached(`kernel-${flavour}`, (fresh, signal) => {
    return fetchKernel(META_PACKAGES[flavour], fresh, signal);
  }, options);
  const manifest = v.parse(
    Manifest,
    JSON.parse(await Deno.readTextFile(join(folder, "asset.json"))),
  );
  return {
    flavour,
    vmlinuz: join(folder, "vmlinuz"),
    modulesDir: join(folder, "modules"),
    config: join(folder, "config"),
    version: manifest.version,
    package: manifest.package,
    packageVersion: manifest.packageVersion,
  };
}

/**
 * Gives the path of a stock kernel's uncompressed ELF image (vmlinux, stripped as its bzImage
 * carries it), taking it out of the bzImage the first time.
 *
 * @throws {RootfsError} when it cannot be had.
 */
export async function vmlinuxAsset(flavour: KernelFlavour): Promise<string> {
  const kernel = await kernelAsset(flavour);
  const folder = await cached(
    `vmlinux-${flavour}-${kernel.packageVersion}`,
    async (fresh, signal) => {
      using _progress = new Progress(`unpacking vmlinux ${kernel.version}`);
      const image = await extractVmlinux(await Deno.readFile(kernel.vmlinuz), signal);
      await Deno.writeFile(join(fresh, "vmlinux"), image);
    },
  );
  return join(folder, "vmlinux");
}

/**
 * Takes the ELF image out of a bzImage, with the compressor's own program.
 *
 * @throws {RootfsError} when it is not a bzImage, its compression is unknown, or the result is not
 * an ELF file of the size that the bzImage says.
 */
export async function extractVmlinux(
  bzImage: Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const payload = bzImagePayload(bzImage);
  await ensureDebianPackages(payload.decompressor.needs);
  const image = await run(payload.decompressor.command, { input: payload.data, signal });
  if (!isElf(image)) throw new RootfsError("the bzImage's payload is not an ELF image");
  if (image.byteLength !== payload.unpackedSize) {
    throw new RootfsError(
      `the bzImage's payload unpacks to ${image.byteLength} bytes, not ${payload.unpackedSize}`,
    );
  }
  return image;
}

async function fetchKernel(meta: string, folder: string, signal: AbortSignal): Promise<void> {
  await ensureDebianPackages({ "dpkg-deb": "dpkg", "apt-cache": "apt" });
  const { depends } = await findPackage(meta, signal);
  // "linux-image-6.1.0-56-amd64 (= 6.1.192-2)"
  const real = /^(linux-image-([^ ,|(]+))/.exec(depends);
  if (real === null) throw new RootfsError(`${meta} depends on no kernel: "${depends}"`);
  const [, name, version] = real;
  const found = await unpackPackage(name, folder, signal);
  await Deno.rename(join(folder, "boot", `vmlinuz-${version}`), join(folder, "vmlinuz"));
  await Deno.rename(join(folder, "boot", `config-${version}`), join(folder, "config"));
  await Deno.rename(join(folder, "lib", "modules", version), join(folder, "modules"));
  for (const rest of ["boot", "lib", "usr"]) {
    await Deno.remove(join(folder, rest), { recursive: true });
  }
  const manifest: v.InferOutput<typeof Manifest> = {
    package: found.name,
    packageVersion: found.version,
    sha256: found.sha256,
    version,
  };
  await Deno.writeTextFile(join(folder, "asset.json"), JSON.stringify(manifest, null, 2) + "\n");
}

/**
 * The kernel that a guest boots, and the modules that it needs from it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { cached, type CacheOptions, removeUnused, touch } from "./cache.ts";
import { isAbsent } from "./command.ts";
import { isElf } from "./elf.ts";
import { RootfsError } from "./errors.ts";
import { extractVmlinux, kernelAsset, type KernelFlavour } from "./kernels.ts";
import { Progress } from "./progress.ts";

/**
 * A kernel:
 * - the path of a bzImage or vmlinux; its modules are those of `/lib/modules/RELEASE` if there are such,
 *   or of the folder that is given;
 * - `"host"`: the one that this host runs, `/boot/vmlinuz-RELEASE`;
 * - one of Debian's, fetched the first time and not installed.
 */
export type KernelSource =
  | string
  | "host"
  | { readonly debian: KernelFlavour }
  | { readonly path: string; readonly modules?: string };

/** A kernel that was found. */
export interface GuestKernel {
  /** The ELF image: it boots faster than a bzImage, which has to unpack itself first. */
  readonly vmlinux: string;
  /** What `uname -r` prints under it, where the file tells. */
  readonly release: string | undefined;
  /** The folder that has `modules.builtin` and `kernel/`; `undefined` for a kernel without modules. */
  readonly modulesDir: string | undefined;
}

/** An unpacked kernel that no one has asked for in so many days is removed from the cache. */
const KEPT_DAYS = 30;

/** Where the hosts' kernels and modules are. A test has others. */
export interface HostPlaces {
  readonly boot: string;
  readonly modules: string;
  readonly release: string;
}

/**
 * Finds a kernel, unpacking or fetching it the first time.
 *
 * @param source what is wanted; by default the host's own if it can be read, else Debian's "cloud".
 * @throws {RootfsError} when it cannot be had.
 */
export async function guestKernel(
  source?: KernelSource,
  options: CacheOptions = {},
  host: HostPlaces = { boot: "/boot", modules: "/lib/modules", release: Deno.osRelease() },
): Promise<GuestKernel> {
  if (source === undefined) {
    const own = await isReadable(join(host.boot, `vmlinuz-${host.release}`));
    return await guestKernel(own ? "host" : { debian: "cloud" }, options, host);
  }
  if (source === "host") {
    const path = join(host.boot, `vmlinuz-${host.release}`);
    if (!await isReadable(path)) {
      throw new RootfsError(
        `this host's own kernel, ${path}, can't be read; give the path of one, or { debian: "cloud" }`,
      );
    }
    return await fromFile(path, join(host.modules, host.release), options, host);
  }
  if (typeof source === "string") return await fromFile(source, undefined, options, host);
  if ("path" in source) return await fromFile(source.path, source.modules, options, host);
  const asset = await kernelAsset(source.debian, options);
  const bytes = await readKernel(asset.vmlinuz);
  return {
    vmlinux: await unpacked(bytes, asset.vmlinuz, options),
    release: asset.version,
    modulesDir: asset.modulesDir,
  };
}

async function fromFile(
  path: string,
  modules: string | undefined,
  options: CacheOptions,
  host: HostPlaces,
): Promise<GuestKernel> {
  const bytes = await readKernel(path);
  const release = kernelRelease(bytes);
  const vmlinux = await unpacked(bytes, path, options);
  if (modules !== undefined) {
    if (!await isFolder(modules)) throw new RootfsError(`${modules}: no folder of modules`);
    return { vmlinux, release, modulesDir: modules };
  }
  const usual = release === undefined ? undefined : join(host.modules, release);
  const found = usual !== undefined && await isFolder(usual);
  return { vmlinux, release, modulesDir: found ? usual : undefined };
}

/** The path of an ELF image: the file itself, or what is packed in it. */
async function unpacked(
  bytes: Uint8Array<ArrayBuffer>,
  path: string,
  options: CacheOptions,
): Promise<string> {
  if (isElf(bytes)) return path;
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
  const folder = await cached(`unpacked-kernel-${digest}`, async (fresh, signal) => {
    using _progress = new Progress(`unpacking ${path}`);
    await Deno.writeFile(join(fresh, "vmlinux"), await extractVmlinux(bytes, signal));
    await removeUnused("unpacked-kernel-", KEPT_DAYS, options.folder);
  }, options);
  await touch(folder);
  return join(folder, "vmlinux");
}

/** Offset of the offset of a bzImage's version string, less 0x200 (boot.rst, `kernel_version`). */
const KERNEL_VERSION = 0x20e;
const HEADER_MAGIC = 0x202;
/** "HdrS" */
const HDRS = 0x53726448;
/** What a vmlinux's `linux_banner` begins with (init/version.c). */
const BANNER = "Linux version ";
/** Longer than any release (__NEW_UTS_LEN). */
const RELEASE_BYTES = 64;

/**
 * The release of a kernel, as `uname -r` prints it: from a bzImage's header, or from the banner in a
 * vmlinux. `undefined` where there is none that could name a folder.
 */
export function kernelRelease(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at: number;
  if (view.byteLength > KERNEL_VERSION + 2 && view.getUint32(HEADER_MAGIC, true) === HDRS) {
    const offset = view.getUint16(KERNEL_VERSION, true);
    if (offset === 0) return undefined;
    at = 0x200 + offset;
  } else {
    const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(BANNER);
    if (found === -1) return undefined;
    at = found + BANNER.length;
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(at, at + RELEASE_BYTES));
  return /^([0-9]+\.[0-9A-Za-z.+~_-]+) /.exec(text)?.[1];
}

async function readKernel(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new RootfsError(`the kernel ${path} can't be read`, { cause: error });
  }
}

async function isReadable(path: string): Promise<boolean> {
  try {
    using _file = await Deno.open(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

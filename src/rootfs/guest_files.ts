/**
 * Everything that a Linux guest boots from: a kernel, an initramfs that starts the project's agent, and
 * a root disk.
 *
 * ```ts ignore
 * import { guestFiles } from "denovisor/rootfs";
 *
 * await using files = await guestFiles({
 *   rootfs: { busybox: true, files: [{ path: "etc/motd", type: "file", data: "hello\n" }] },
 *   transport: "pci",
 * });
 * console.assert((await Deno.stat(files.initrd)).isFile && files.disks.length === 0);
 * ```
 *
 * **Who writes to the root.** An image in the cache is everybody's: it is attached read-only, to any
 * number of machines at once, and the guest lays memory over it (overlayfs on a tmpfs). So a machine
 * starts without a copy, whatever the size and the host's file system, and what it wrote is gone with it
 * even when the monitor is killed. It costs guest memory, of which the tmpfs takes half at most. A guest
 * that writes more asks for a `size`, and gets a private copy of the image, made larger, which is removed
 * when the files are disposed of.
 *
 * @module
 */

import type { CpioEntry } from "../../loader/cpio.ts";
import { archiveImage, layoutImage } from "./archive.ts";
import type { CacheOptions } from "./cache.ts";
import { RootfsError } from "./errors.ts";
import { needsRecovery } from "./ext4.ts";
import { folderImage } from "./folder.ts";
import { guestInitramfs } from "./guest_initramfs.ts";
import { guestKernel, type KernelSource } from "./guest_kernel.ts";
import { type GuestDevice, guestModules, type Transport } from "./guest_modules.ts";
import { baseEntries, folderEntries, storeInitramfs } from "./initramfs.ts";
import type { ImageEntry } from "./oci.ts";
import { type PrivateDisk, privateDisk } from "./private_disk.ts";
import { type ProgressListener, withProgress } from "./progress.ts";
import { detectSource, readHead } from "./source.ts";

/**
 * A root file system:
 * - a path: a folder, a tar archive, an ext4 image (.ext4, .img), an OCI layout, or an archive of
 *   `docker save` or of an OCI layout, told by its content; it becomes a disk;
 * - busybox (`"busybox"`; a file or folder of that name is `"./busybox"`), or a folder, in memory, with
 *   more files;
 * - files alone, in memory.
 */
export type RootfsSource =
  | string
  | { readonly busybox: true; readonly files?: readonly CpioEntry[] }
  | { readonly folder: string; readonly files?: readonly CpioEntry[] }
  | { readonly files: readonly CpioEntry[] };

/** What a guest boots. */
export interface GuestFilesConfig {
  /** The host's own by default, or Debian's "cloud" where that can't be read. */
  readonly kernel?: KernelSource;
  /** Busybox in memory by default. */
  readonly rootfs?: RootfsSource;
  /** Which image, by its name or tag, of an OCI layout or archive that has several. */
  readonly reference?: string;
  /** Bytes of the root disk, which the guest then writes to: a private copy. Only with a path. */
  readonly size?: number;
  /** Whether the guest can't write to its root at all. Only with a path, and not with a size. */
  readonly readonly?: boolean;
  /** Kernel modules to load beside those that the devices need, by name. */
  readonly modules?: readonly string[];
  /** How the machine's virtio devices are plugged in; "pci" by default. */
  readonly transport?: Transport;
  /** The devices that the guest is to have drivers for, beside its root disk's; vsock by default. */
  readonly devices?: readonly GuestDevice[];
  /** What the guest calls itself; "vm" by default. */
  readonly hostname?: string;
}

/** When to give up, and who is told how far things are. */
export interface GuestFilesOptions extends CacheOptions {
  /** Told of each thing that is fetched or built; without it, a terminal gets a line. */
  readonly onProgress?: ProgressListener;
}

/** A disk as a machine's configuration has it. */
export interface RootDisk {
  readonly path: string;
  readonly ro: boolean;
  readonly serial: "root";
}

/** What a machine needs to boot the guest. Dispose of it when the machine has ended. */
export interface GuestFiles extends AsyncDisposable {
  /** The path of an ELF image. */
  readonly kernel: string;
  /** The path of the initramfs. */
  readonly initrd: string;
  /** The root disk, if there is one. */
  readonly disks: readonly RootDisk[];
  /** What the kernel's command line has to have; the console is the machine's to add. */
  readonly cmdline: string;
  /** Of an OCI image. */
  readonly entry?: ImageEntry;
}

/** The root disk's serial number, by which the agent finds it. */
const SERIAL = "root";

/** What is booted where nothing is said. */
const DEFAULT: RootfsSource = { busybox: true };

/** A panic ends the machine at once, rather than never. */
const CMDLINE = "panic=-1";

/**
 * Finds, fetches or builds all that a guest boots from. What can be is kept in the user's cache folder.
 *
 * @throws {RootfsError} when a part can't be had; the message says what to do about it.
 * @throws {CpioError} for a file that an initramfs can't hold.
 * @throws the signal's reason, when it is aborted; nothing half made is left.
 */
export function guestFiles(
  config: GuestFilesConfig = {},
  { onProgress, ...options }: GuestFilesOptions = {},
): Promise<GuestFiles> {
  return withProgress(onProgress, () => build(config, options));
}

/** A root file system that is ready. */
interface Root {
  readonly files: readonly CpioEntry[];
  readonly image?: string;
  readonly entry?: ImageEntry;
}

async function build(config: GuestFilesConfig, options: CacheOptions): Promise<GuestFiles> {
  const { size, readonly = false, modules } = config;
  const rootfs = config.rootfs === "busybox"
    ? { busybox: true } as const
    : config.rootfs ?? DEFAULT;
  const { transport = "pci", devices = ["vsock"], hostname = "vm" } = config;
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(hostname)) {
    throw new RootfsError(`"${hostname}" can't be the name of a host`);
  }
  if (typeof rootfs !== "string" && (size !== undefined || readonly)) {
    throw new RootfsError("size and readonly are a root disk's; this root is in memory");
  }
  if (readonly && size !== undefined) {
    throw new RootfsError("a root that can't be written to has no use for a size");
  }
  if (size !== undefined && (!Number.isSafeInteger(size) || size <= 0)) {
    throw new RootfsError(`size is a number of bytes, not ${size}`);
  }
  const kernel = await guestKernel(config.kernel, options);
  const root = await readRoot(rootfs, config, options);
  const onDisk = root.image !== undefined;
  const overlay = onDisk && size === undefined && !readonly;
  const loaded = await guestModules(kernel, {
    transport,
    devices: onDisk ? ["disk", ...devices] : devices,
    ext4: onDisk,
    overlay,
    modules,
  }, options.signal);
  const access = size === undefined ? "ro" : "rw";
  const agent = {
    root: onDisk ? { serial: SERIAL, type: "ext4", access } as const : undefined,
    overlay,
    hostname,
  };
  const initrd = await storeInitramfs(guestInitramfs(agent, loaded, root.files), options);
  const copy = root.image === undefined || size === undefined
    ? undefined
    : await privateDisk(root.image, size, options);
  return {
    kernel: kernel.vmlinux,
    initrd,
    disks: rootDisks(root.image, copy),
    cmdline: CMDLINE,
    ...(root.entry === undefined ? {} : { entry: root.entry }),
    [Symbol.asyncDispose]() {
      copy?.[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function rootDisks(image: string | undefined, copy: PrivateDisk | undefined): RootDisk[] {
  if (image === undefined) return [];
  return [{ path: copy?.path ?? image, ro: copy === undefined, serial: SERIAL }];
}

async function readRoot(
  source: RootfsSource,
  config: Pick<GuestFilesConfig, "reference" | "size">,
  options: CacheOptions,
): Promise<Root> {
  if (typeof source !== "string") {
    const files = source.files ?? [];
    if ("busybox" in source) return { files: [...await baseEntries(options), ...files] };
    if (!("folder" in source)) return { files };
    return { files: [...await folderEntries(source.folder, options.signal), ...files] };
  }
  const kind = await detectSource(source);
  const choice = { ...options, reference: config.reference };
  switch (kind) {
    case "ext4":
      if (config.size === undefined && needsRecovery(await readHead(source))) {
        throw new RootfsError(
          `${source} was in use when its machine ended, and can't be mounted as it is: repair it with ` +
            `\`e2fsck -fy ${source}\`, or give a size for a copy to be made and repaired`,
        );
      }
      return { files: [], image: source };
    case "folder":
      return { files: [], image: await folderImage(source, options) };
    case "image layout":
      return { files: [], ...await layoutImage(source, choice) };
    case "archive":
      return { files: [], ...await archiveImage(source, choice) };
  }
}

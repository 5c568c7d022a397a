/**
 * Root file systems and kernels for machines: an initramfs of files, a folder or busybox; disk images;
 * kernels of the host or of Debian, with the modules that a guest needs. What is fetched or built is
 * kept in the user's cache folder.
 *
 * @module
 */

export { busyboxAsset } from "./busybox.ts";
export { cached, cacheFolder, type CacheOptions } from "./cache.ts";
export { CommandError, MissingCommandsError, RootfsError } from "./errors.ts";
export { type ArchiveImage, archiveImage, type ArchiveOptions, layoutImage } from "./archive.ts";
export { folderImage } from "./folder.ts";
export {
  type GuestFiles,
  guestFiles,
  type GuestFilesConfig,
  type GuestFilesOptions,
  type RootDisk,
  type RootfsSource,
} from "./guest_files.ts";
export { type GuestKernel, guestKernel, type KernelSource } from "./guest_kernel.ts";
export type { GuestDevice, Transport } from "./guest_modules.ts";
export { baseEntries, folderEntries, moduleEntries, storeInitramfs } from "./initramfs.ts";
export { type KernelAsset, kernelAsset, type KernelFlavour, vmlinuxAsset } from "./kernels.ts";
export { type KernelModule, resolveModules } from "./modules.ts";
export type { ImageChoice, ImageEntry } from "./oci.ts";
export { ensureDebianPackages } from "./packages.ts";
export { Progress, type ProgressListener, type ProgressReport, withProgress } from "./progress.ts";

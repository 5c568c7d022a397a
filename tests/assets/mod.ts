/**
 * What tests and the demo need from outside: stock kernels, busybox, commands of the host; and the
 * initramfs built from them. Fetched once into the user's cache folder, then used offline.
 *
 * @module
 */

export { busyboxAsset } from "../../src/rootfs/busybox.ts";
export { cached, cacheFolder } from "../../src/rootfs/cache.ts";
export { debianOciArchive } from "./debian_oci.ts";
export { type DebianRootfs, debianRootfs, VSOCK_ECHO_PORT } from "./debian_rootfs.ts";
export { CommandError, MissingCommandsError, RootfsError } from "../../src/rootfs/errors.ts";
export {
  type KernelAsset,
  kernelAsset,
  type KernelFlavour,
  vmlinuxAsset,
} from "../../src/rootfs/kernels.ts";
export { GUEST_SETUP_FAILED, type GuestInitOptions } from "./guest_init.ts";
export { buildInitramfs, type InitramfsOptions } from "./initramfs.ts";
export { ensureDebianPackages } from "../../src/rootfs/packages.ts";

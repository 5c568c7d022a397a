/**
 * The modules that a guest needs before it has a root file system, by the machine's devices.
 *
 * @module
 */

import { RootfsError } from "./errors.ts";
import type { GuestKernel } from "./guest_kernel.ts";
import { type KernelModule, resolveModules } from "./modules.ts";

/** How a machine's virtio devices are plugged in. */
export type Transport = "pci" | "mmio" | "mmio-cmdline";

/** A kind of device that the guest is to have a driver for. */
export type GuestDevice = "disk" | "net" | "vsock" | "rng" | "balloon" | "console";

/** The modules' names are those of the kernel's drivers/virtio, drivers/block and so on. */
const TRANSPORT_MODULES: Readonly<Record<Transport, string>> = {
  "pci": "virtio_pci",
  "mmio": "virtio_mmio",
  "mmio-cmdline": "virtio_mmio",
};

const DEVICE_MODULES: Readonly<Record<GuestDevice, string>> = {
  disk: "virtio_blk",
  net: "virtio_net",
  vsock: "vmw_vsock_virtio_transport",
  rng: "virtio_rng",
  balloon: "virtio_balloon",
  console: "virtio_console",
};

/**
 * What ext4 asks the kernel's crypto for by an alias, which only modprobe could resolve. Newer kernels
 * have it as a library, without such a module.
 */
const EXT4_CHECKSUM = "crc32c_generic";

/** What a guest is to be able to do. */
export interface ModuleNeeds {
  readonly transport: Transport;
  readonly devices: readonly GuestDevice[];
  /** Whether its root is ext4, and whether memory is laid over that. */
  readonly ext4?: boolean;
  readonly overlay?: boolean;
  /** More modules, by name. */
  readonly modules?: readonly string[];
}

/**
 * Finds the modules and what they depend on, in loading order. A kernel without a folder of modules has
 * to have everything built in, and gets none.
 *
 * @throws {RootfsError} when the kernel has no such module, or `modules` names some and it has no folder; or when
 * the devices are announced on the command line, and virtio_mmio is a module.
 */
export async function guestModules(
  kernel: GuestKernel,
  needs: ModuleNeeds,
  signal?: AbortSignal,
): Promise<KernelModule[]> {
  const { transport, devices, ext4, overlay, modules = [] } = needs;
  if (kernel.modulesDir === undefined) {
    if (modules.length === 0) return [];
    throw new RootfsError(
      `the modules ${modules.join(", ")} are asked for, and ${kernel.vmlinux} has none: give the ` +
        `folder as kernel: { path, modules }`,
    );
  }
  const names = [
    TRANSPORT_MODULES[transport],
    ...devices.map((device) => DEVICE_MODULES[device]),
    ...(ext4 ? [EXT4_CHECKSUM, "ext4"] : []),
    ...(overlay ? ["overlay"] : []),
    ...modules,
  ];
  const found = await resolveModules(kernel.modulesDir, names, {
    optional: [EXT4_CHECKSUM],
    signal,
  });
  if (transport === "mmio-cmdline" && found.some(({ name }) => name === "virtio_mmio")) {
    throw new RootfsError(
      "this kernel has virtio_mmio as a module, which is told of no devices by the command line: use the " +
        'transport "mmio" or "pci"',
    );
  }
  return found;
}

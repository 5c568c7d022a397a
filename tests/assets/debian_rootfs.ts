/**
 * A whole Debian 12 root file system on a disk image, and the initramfs that boots it.
 *
 * mmdebstrap fetches and unpacks the packages that Debian signs; the image is made of the folder
 * without a loop device (mke2fs(8), `-d`). It is a plain system: systemd with udev, D-Bus, logind and
 * networkd, and the modules of the cloud kernel that belong to virtio devices, which udev loads. Root
 * has no password. What would only take time is masked: timers, and a login on a screen there isn't.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { cached, removeUnused } from "../../src/rootfs/cache.ts";
import { run } from "../../src/rootfs/command.ts";
import { RootfsError } from "../../src/rootfs/errors.ts";
import { baseEntries, moduleEntries, storeInitramfs } from "../../src/rootfs/initramfs.ts";
import { type KernelAsset, kernelAsset } from "../../src/rootfs/kernels.ts";
import { resolveModules } from "../../src/rootfs/modules.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { Progress } from "../../src/rootfs/progress.ts";

/** Bumped when this file makes another image of the same parts. */
const RECIPE = 1;

/** Large enough for the system and what a test writes. The file is sparse. */
const IMAGE_SIZE = "384M";

/** The port on which the system's own service gives back what is sent to it through vsock. */
export const VSOCK_ECHO_PORT = 1024;

/** The address that the system gives to its network card. */
export const GUEST_ADDRESS = "10.0.77.2";

const PACKAGES = ["systemd-sysv", "udev", "dbus", "e2fsprogs", "iproute2", "kmod"];

/** Files of packages that no test looks at, and that would make the image twice as large. */
const LEFT_OUT = [
  "/usr/share/man/*",
  "/usr/share/doc/*",
  "/usr/share/info/*",
  "/usr/share/locale/*",
  "/usr/share/i18n/*",
  "/usr/share/zoneinfo/*",
  "/usr/lib/x86_64-linux-gnu/gconv/*",
  "/usr/lib/x86_64-linux-gnu/perl-base/unicore/*",
];

/** What udev finds a use for, on either transport. */
const MODULES = [
  ...["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng"],
  ...["virtio_balloon", "vmw_vsock_virtio_transport", "ext4", "crc32c_generic", "autofs4"],
];

/** What the initramfs loads to get at the disk, and so that the console is there when systemd looks for it. */
const BOOT_MODULES = [
  ...["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_console", "ext4", "crc32c_generic"],
];

const MASKED = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"],
  ...["e2scrub_reap.service", "fstrim.timer", "systemd-tmpfiles-clean.timer"],
  ...["getty@tty1.service", "getty-static.service", "systemd-pstore.service"],
];

const ENABLED = ["systemd-networkd.service", "vsock-echo.socket"];

/** Our own files; a path and its content. */
const FILES: Readonly<Record<string, string>> = {
  "etc/hostname": "denovisor\n",
  "etc/hosts": "127.0.0.1 localhost denovisor\n",
  // Any id will do, and with one systemd does not take each boot for the first.
  "etc/machine-id": "6465666e6f7669736f72207465737431\n",
  "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
  "etc/systemd/network/virtio.network":
    `[Match]\nDriver=virtio_net\n[Network]\nAddress=${GUEST_ADDRESS}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n`,
  // Nothing loads it on its own where there is no such device.
  "etc/modules-load.d/vsock.conf": "vsock\n",
  "etc/systemd/system/vsock-echo.socket":
    `[Socket]\nListenStream=vsock::${VSOCK_ECHO_PORT}\nAccept=yes\n[Install]\nWantedBy=sockets.target\n`,
  "etc/systemd/system/vsock-echo@.service":
    "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nStandardOutput=socket\nStandardError=journal\n",
};

/** The programs that this needs of the host, each with its package. */
const NEEDS = {
  mmdebstrap: "mmdebstrap",
  "mkfs.ext4": "e2fsprogs",
  "e2fsck": "e2fsprogs",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
};

/** A system to boot. */
export interface DebianRootfs {
  readonly kernel: KernelAsset;
  /** The disk image, which is everybody's: a guest that writes gets a copy. */
  readonly image: string;
  /** The initramfs that mounts /dev/vda and starts the system on it. */
  readonly initrd: string;
}

/**
 * Gives the system, building its image the first time, which takes a minute.
 *
 * @throws {RootfsError} when a part cannot be had, or the image would have to be built and we are not root.
 */
export async function debianRootfs(): Promise<DebianRootfs> {
  const kernel = await kernelAsset("cloud");
  const recipe = JSON.stringify([
    ...[RECIPE, IMAGE_SIZE, PACKAGES, LEFT_OUT, MODULES, MASKED, ENABLED, FILES],
    kernel.packageVersion,
  ]);
  const digest = createHash("sha256").update(recipe).digest("hex").slice(0, 16);
  const folder = await cached(`debian-rootfs-${digest}`, async (fresh, signal) => {
    await build(fresh, kernel, signal);
    await removeUnused("debian-rootfs-", KEPT_DAYS);
  });
  const now = new Date();
  await Deno.utime(folder, now, now);
  return { kernel, image: join(folder, "root.img"), initrd: await bootInitramfs(kernel) };
}

/** An image that no one has asked for in so many days is removed from the cache. */
const KEPT_DAYS = 14;

async function build(folder: string, kernel: KernelAsset, signal: AbortSignal): Promise<void> {
  if (Deno.uid() !== 0) throw new RootfsError("only root can build a Debian root file system");
  await ensureDebianPackages(NEEDS);
  const tree = join(folder, "tree");
  using progress = new Progress("building a Debian root file system");
  await run([
    "mmdebstrap",
    "--quiet",
    "--mode=root",
    "--variant=minbase",
    `--include=${PACKAGES.join(",")}`,
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    "bookworm",
    tree,
  ], { signal });
  await addModules(tree, kernel, signal);
  for (const [path, content] of Object.entries(FILES)) {
    await Deno.mkdir(join(tree, dirname(path)), { recursive: true });
    await Deno.writeTextFile(join(tree, path), content);
  }
  await run(["chroot", tree, "passwd", "--delete", "root"], { signal });
  await run(["chroot", tree, "systemctl", "mask", ...MASKED], { signal });
  await run(["chroot", tree, "systemctl", "enable", ...ENABLED], { signal });

  progress.label = "writing a Debian root file system to a disk image";
  const image = join(folder, "root.img");
  await run(["mkfs.ext4", "-q", "-L", "root", "-d", tree, image, IMAGE_SIZE], { signal });
  await run(["e2fsck", "-fn", image], { signal });
  await Deno.remove(tree, { recursive: true });
}

/** Puts modules where modprobe looks for them. */
async function addModules(tree: string, kernel: KernelAsset, signal: AbortSignal): Promise<void> {
  const folder = join(tree, "lib", "modules", kernel.version);
  await Deno.mkdir(join(folder, "kernel"), { recursive: true });
  for (const list of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    await Deno.copyFile(join(kernel.modulesDir, list), join(folder, list));
  }
  for (const { path, data } of await resolveModules(kernel.modulesDir, MODULES)) {
    await Deno.writeFile(join(folder, "kernel", basename(path)), data);
  }
  // kmod reads indexes that busybox's depmod does not write.
  await run(["chroot", tree, "depmod", kernel.version], { signal });
}

/** Runs as process 1 until the system does; when it ends, the kernel panics and the console says why. */
function initScript(modules: readonly string[]): string {
  return `#!/bin/sh
export PATH=/bin
setup() {
  "$@" && return
  echo "init: failed: $*" > /dev/kmsg
  exit 1
}
setup mount -t proc proc /proc
setup mount -t sysfs sysfs /sys
setup mount -t devtmpfs devtmpfs /dev
${modules.map((name) => `setup insmod /lib/modules/${name}.ko`).join("\n")}
mkdir /new
setup mount -t ext4 -o ro /dev/vda /new
for mount in proc sys dev; do setup mount --move /$mount /new/$mount; done
# Where the console is a module's, there was none when this process was started.
exec switch_root -c /dev/console /new /sbin/init
`;
}

async function bootInitramfs(kernel: KernelAsset): Promise<string> {
  const modules = await resolveModules(kernel.modulesDir, BOOT_MODULES);
  return await storeInitramfs([
    ...await baseEntries(),
    ...moduleEntries(modules),
    { path: "init", type: "file", mode: 0o755, data: initScript(modules.map(({ name }) => name)) },
  ]);
}

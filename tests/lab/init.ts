/**
 * The lab's own initramfs: it loads the modules, makes the host's root file system the lab's, and
 * then asks, through the control port, what to do. It is the same for every command, so that it is
 * built once.
 *
 * The control port carries lines. From the lab: `up`, `started`, `failed MESSAGE` and
 * `exit STATUS`. To the lab: the number of bytes of the session script,
 * that script (see `session.ts`), and then `resize ROWS COLUMNS`. Its end means that whoever
 * started the lab is gone, whereupon the lab powers off.
 *
 * @module
 */

import { baseEntries, moduleEntries, storeInitramfs } from "../../src/rootfs/initramfs.ts";
import type { KernelAsset } from "../../src/rootfs/kernels.ts";
import { deviceLinks } from "../assets/guest_init.ts";
import { resolveModules } from "../../src/rootfs/modules.ts";
import { holdKvmProgram } from "./hold_kvm.ts";

/** A virtio-serial port's name in the lab is this and ours. */
export const PORT_PREFIX = "denovisor.";

/** Mount tag of the host's root; further shares count on: "share0", "share1"… */
export const ROOT_TAG = "root";

/**
 * Options of every 9p mount. 500 KiB is the most that its virtio transport takes; extended
 * attributes would cost a question to the host for each file that the overlay looks up.
 */
export const MOUNT_9P = "trans=virtio,version=9p2000.L,msize=512000,noxattr";

/** Where the lab keeps its tools and files, out of the command's way. */
export const LAB_FOLDER = "/run/denovisor-lab";

/** Programs of the lab's own, which commands find after this machine's. */
export const PROGRAMS_FOLDER = `${LAB_FOLDER}/programs`;

/** ext4 does not name the driver of its checksums as one that it depends on. */
const MODULES = [
  ...["crc32c_generic", "ext4"],
  ...["virtio_pci", "virtio_console", "virtio_blk", "9p", "9pnet_virtio", "overlay"],
  ...["kvm-amd", "tun", "vhost_net", "vhost_vsock", "loop"],
];

/** A function of the shell that gives the device of a virtio-serial port, which appears some time after its driver. */
export const FIND_PORT = `
port() {
  tries=500
  while [ $tries -gt 0 ]; do
    for device in /sys/class/virtio-ports/*; do
      read -r name < $device/name && [ "$name" = "$1" ] && echo /dev/\${device##*/} && return
    done 2> /dev/null
    tries=$((tries - 1))
    sleep 0.01
  done
  echo "lab: no virtio-serial port $1" > /dev/console
}
`;

const mainScript = `
lab=${LAB_FOLDER}
export PATH=$lab/bin
${FIND_PORT}
# Gives the device of a disk by its serial number.
disk() {
  for device in /sys/block/vd*; do
    read -r name < $device/serial
    [ "$name" = "$1" ] && echo /dev/\${device##*/} && return
  done
  echo "lab: no disk $1" > /dev/console
}

# Says what went wrong; what started the lab will end it.
fail() {
  echo "failed $*" >&3
  while :; do sleep 1000; done
}

exec 3<> "$(port ${PORT_PREFIX}control)" || exit 1
echo up >&3
read -r size <&3
head -c "$size" <&3 > $lab/session
. $lab/session
`;

/** Runs as process 1; when it ends, the kernel panics and the console says why. */
function initScript(modules: readonly string[]): string {
  return `#!/bin/sh
export PATH=/bin
setup() {
  "$@" && return
  echo "lab: failed: $*"
  exit 1
}
setup mount -t proc proc /proc
setup mount -t sysfs sysfs /sys
setup mount -t devtmpfs devtmpfs /dev
${modules.map((name) => `setup insmod /lib/modules/${name}.ko`).join("\n")}
setup hold-kvm
setup mkdir /lower /upper /new
setup mount -t 9p -o ro,${MOUNT_9P},cache=loose ${ROOT_TAG} /lower
setup mount -t tmpfs -o size=75% tmpfs /upper
setup mkdir /upper/files /upper/work
setup mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /new
for mount in proc sys dev run; do mkdir -p /new/$mount; done
setup mount -t tmpfs -o mode=755 tmpfs /new/run
setup mkdir -p /new${LAB_FOLDER}
setup cp -a /bin /main /new${LAB_FOLDER}/
for mount in proc sys dev; do setup mount --move /$mount /new/$mount; done
setup mkdir -p /new/dev/pts /new/dev/shm
setup mount -t devpts -o mode=620,ptmxmode=666 devpts /new/dev/pts
setup mount -t tmpfs tmpfs /new/dev/shm
${deviceLinks("/new/dev")}
setup mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
setup mkdir /new/sys/fs/cgroup/command
ip link set lo up
hostname lab
exec switch_root /new ${LAB_FOLDER}/bin/sh ${LAB_FOLDER}/main
`;
}

/**
 * Builds the lab's initramfs, or finds it in the cache, and gives its path.
 *
 * @param extra names of modules beside those that every lab has.
 */
export async function labInitramfs(kernel: KernelAsset, extra: readonly string[]): Promise<string> {
  const modules = await resolveModules(kernel.modulesDir, [...MODULES, ...extra]);
  return await storeInitramfs([
    ...await baseEntries(),
    ...moduleEntries(modules),
    {
      path: "init",
      type: "file",
      mode: 0o755,
      data: initScript(modules.map((module) => module.name)),
    },
    { path: "main", type: "file", data: mainScript },
    { path: "bin/hold-kvm", type: "file", mode: 0o755, data: holdKvmProgram() },
  ]);
}

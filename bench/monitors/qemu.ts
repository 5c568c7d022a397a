/**
 * QEMU's microVM, which has virtio-mmio devices as denovisor does.
 *
 * Its disk and its sources of events are set up as denovisor's are: the file by io_uring, through the host's cache or not,
 * served by a thread of its own.
 * @module
 */
import { isAbsent } from "../../src/rootfs/command.ts";
import { cmdline, GUEST_CID, MEMORY_MIB, type Monitor } from "./monitor.ts";

/** Where QEMU's microVM has its devices where it has no ACPI (hw/i386/microvm.c). */
const QEMU_PLACES = "0xfeb00000,512,8";
/**
 * What QEMU's manual leaves out for the fastest start (docs/system/i386/microvm.rst). Without ACPI it also takes qboot
 * for its firmware, where SeaBIOS takes twice the time.
 */
const MACHINE = "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off";
/**
 * The same for distributions' kernels, which know nothing but ACPI to find processors and interrupts by, and search
 * for ten seconds for a clock that isn't there.
 */
const LINUX_MACHINE = "microvm,x-option-roms=off,pit=off,pic=off,rtc=on";
/** The part of the host's kernel that is QEMU's only way to sockets. */
const VHOST_VSOCK = "/dev/vhost-vsock";

/** QEMU's microVM. */
export const qemu: Monitor = {
  name: "QEMU",
  needs: { command: "qemu-system-x86_64", package: "qemu-system-x86", version: "--version" },
  // The debug exit doubles the status and adds one.
  statusOf: (guest) => guest * 2 + 1,
  command({ program, linux, parameters, cpus = 1, memoryMiB = MEMORY_MIB, devices }) {
    const { disk, directDisk, tap, vsock, idlers } = devices;
    const cache = directDisk === true ? "none" : "writeback";
    // It tells Linux by itself where its devices are.
    const told = linux === undefined ? { mmio: QEMU_PLACES, ...parameters } : parameters;
    return [
      "qemu-system-x86_64",
      ...[
        "-M",
        linux === undefined ? MACHINE : LINUX_MACHINE,
        "-accel",
        "kvm",
        "-smp",
        String(cpus),
      ],
      // A KVM without hardware behind it refuses the MSR of this feature, and QEMU then ends.
      ...["-cpu", "host,-arch-capabilities", "-m", `${memoryMiB}M`],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"],
      ...linux === undefined
        ? ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        : ["-no-reboot", "-initrd", linux.initrd],
      ...["-global", "virtio-mmio.force-legacy=false"],
      ...["-kernel", program, "-append", cmdline({ parameters: told, linux }, "t")],
      ...disk === undefined ? [] : [
        ...["-object", "iothread,id=io"],
        ...["-drive", `if=none,id=disk,file=${disk},format=raw,cache=${cache},aio=io_uring`],
        ...["-device", "virtio-blk-device,drive=disk,iothread=io"],
      ],
      ...tap === undefined ? [] : [
        ...["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no,vhost=off`],
        ...["-device", "virtio-net-device,netdev=net"],
      ],
      ...vsock === undefined ? [] : ["-device", `vhost-vsock-device,guest-cid=${GUEST_CID}`],
      ...idlers !== true ? [] : [
        ...["-device", "virtio-rng-device", "-device", "virtio-balloon-device"],
        ...["-device", "virtio-serial-device", "-chardev", "null,id=port"],
        ...["-device", "virtserialport,chardev=port,name=idle"],
      ],
    ];
  },
  refusal({ devices: { vsock } }) {
    if (vsock === undefined || exists(VHOST_VSOCK)) return undefined;
    return `it has sockets by ${VHOST_VSOCK} alone, which this host lacks`;
  },
};

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isCharDevice === true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

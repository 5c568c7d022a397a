/**
 * QEMU's microVM, which has virtio-mmio devices as denovisor does.
 *
 * Its disk and its sources of events are set up as denovisor's are: the file through the host's cache and io_uring,
 * served by a thread of its own.
 * @module
 */
import { cmdline, MEMORY_MIB, type Monitor } from "./monitor.ts";

/** Where QEMU's microVM has its devices where it has no ACPI (hw/i386/microvm.c). */
const QEMU_PLACES = "0xfeb00000,512,8";
/**
 * What QEMU's manual leaves out for the fastest start (docs/system/i386/microvm.rst). Without ACPI it also takes qboot
 * for its firmware, where SeaBIOS takes 50 ms more.
 */
const MACHINE = "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off";

/** QEMU's microVM. */
export const qemu: Monitor = {
  name: "QEMU",
  // The debug exit doubles the status and adds one.
  statusOf: (guest) => guest * 2 + 1,
  command({ program, parameters, devices: { disk, tap, idlers } }) {
    return [
      "qemu-system-x86_64",
      ...["-M", MACHINE, "-accel", "kvm"],
      // A KVM without hardware behind it refuses the MSR of this feature, and QEMU then ends.
      ...["-cpu", "host,-arch-capabilities", "-m", `${MEMORY_MIB}M`],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
      ...["-global", "virtio-mmio.force-legacy=false"],
      ...["-kernel", program, "-append", cmdline({ mmio: QEMU_PLACES, ...parameters })],
      ...disk === undefined ? [] : [
        ...["-object", "iothread,id=io"],
        ...["-drive", `if=none,id=disk,file=${disk},format=raw,cache=writeback,aio=io_uring`],
        ...["-device", "virtio-blk-device,drive=disk,iothread=io"],
      ],
      ...tap === undefined ? [] : [
        ...["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no,vhost=off`],
        ...["-device", "virtio-net-device,netdev=net"],
      ],
      ...idlers !== true ? [] : [
        ...["-device", "virtio-rng-device", "-device", "virtio-balloon-device"],
        ...["-device", "virtio-serial-device", "-chardev", "null,id=port"],
        ...["-device", "virtserialport,chardev=port,name=idle"],
      ],
    ];
  },
};

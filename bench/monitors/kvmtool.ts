/**
 * kvmtool, the kernel developers' small monitor (`lkvm run`, Documentation/kvmtool.1), with no network but what is
 * asked for.
 * @module
 */
import { cmdline, MEMORY_MIB, type Monitor } from "./monitor.ts";

/** kvmtool. */
export const kvmtool: Monitor = {
  name: "kvmtool",
  needs: { command: "lkvm", package: "kvmtool", version: "version" },
  statusOf: () => 0,
  command(guest) {
    const { linux, program, cpus = 1, memoryMiB = MEMORY_MIB } = guest;
    const { disk, directDisk, tap, idlers } = guest.devices;
    return [
      "lkvm",
      ...["run", "--cpus", String(cpus), "--mem", String(memoryMiB)],
      ...["--kernel", program, ...linux === undefined ? [] : ["--initrd", linux.initrd]],
      ...["--params", cmdline(guest, "k"), "--console", "serial"],
      ...["--network", tap === undefined ? "mode=none" : `mode=tap,tapif=${tap}`],
      ...disk === undefined ? [] : ["--disk", directDisk === true ? `${disk},direct` : disk],
      ...idlers === true ? ["--rng", "--balloon"] : [],
    ];
  },
  refusal({ linux, devices: { vsock, idlers } }) {
    if (linux === undefined) return "it starts bzImages and real-mode code, and no ELF file";
    if (idlers === true) return "it has a virtio console only in the serial port's place";
    if (vsock !== undefined) return "it has sockets by the host's kernel alone";
    return undefined;
  },
};

/**
 * Firecracker, by a configuration file and without its API socket (docs/getting-started.md).
 *
 * Its disks have the asynchronous engine, which is io_uring, and flush when the guest asks for it, as the others' do
 * (docs/api_requests/block-io-engine.md, block-caching.md). The configuration is held in memory, by its text, for as
 * long as this process lives.
 * @module
 */
import { createMemFd } from "../../src/ffi/mod.ts";
import { cmdline, type Guest, GUEST_CID, MEMORY_MIB, type Monitor, quote } from "./monitor.ts";

/** Firecracker. */
export const firecracker: Monitor = {
  name: "Firecracker",
  needs: { command: "firecracker", version: "--version" },
  statusOf: () => 0,
  command: (guest) => [...COMMAND, inMemory(configuration(guest))],
  typed: (guest) => `${COMMAND.join(" ")} <(echo ${quote(configuration(guest))})`,
  refusal({ linux, devices: { idlers, directDisk } }) {
    if (linux === undefined) return "it has no port by which a guest that isn't Linux could end it";
    if (linux.vmlinux === undefined) return "it needs the kernel uncompressed";
    if (idlers === true) return "it has no virtio console";
    if (directDisk === true) return "its disks go through the host's page cache";
    return undefined;
  },
};

const COMMAND = ["firecracker", "--no-api", "--config-file"] as const;

/** The configuration of a machine as JSON: the API's bodies by their resources. */
function configuration(guest: Guest): string {
  const { linux, program, cpus = 1, memoryMiB = MEMORY_MIB, devices: { disk, tap, vsock } } = guest;
  return JSON.stringify({
    "boot-source": {
      kernel_image_path: linux?.vmlinux ?? program,
      ...linux === undefined ? {} : { initrd_path: linux.initrd },
      // Its keyboard controller has a reset and nothing to probe for; PCI there is none.
      boot_args: `${cmdline(guest, "k")} pci=off i8042.noaux i8042.nomux i8042.dumbkbd`,
    },
    "machine-config": { vcpu_count: cpus, mem_size_mib: memoryMiB },
    drives: disk === undefined ? [] : [{
      drive_id: "disk",
      path_on_host: disk,
      is_root_device: false,
      is_read_only: false,
      cache_type: "Writeback",
      io_engine: "Async",
    }],
    "network-interfaces": tap === undefined ? [] : [{ iface_id: "net", host_dev_name: tap }],
    ...vsock === undefined ? {} : { vsock: { guest_cid: GUEST_CID, uds_path: vsock } },
  });
}

/** The paths of texts in memory, by the text. */
const held = new Map<string, string>();

/** Holds a text in memory. @returns a path by which a child of this process reads it */
function inMemory(text: string): string {
  const known = held.get(text);
  if (known !== undefined) return known;
  const file = createMemFd("firecracker.json", 0);
  const path = `/proc/${Deno.pid}/fd/${file.raw}`;
  Deno.writeTextFileSync(path, text);
  held.set(text, path);
  return path;
}

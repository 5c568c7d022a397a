/**
 * The one table of what the program consists of beside its main module. From it the source tree finds these parts by
 * their paths, and from it they are put into an executable.
 * @module
 */

/** The modules that Workers start with, relative to this folder. */
export const WORKERS = {
  vcpu: "../machine/vcpu_worker.ts",
  io: "../machine/io_worker.ts",
  probe: "../machine/probe/probe_worker.ts",
} as const;

/** Files that are read as bytes, relative to this folder. */
export const ASSETS = {
  "built-in-guest": "images/built_in_guest",
  agent: "images/agent",
  "real-mode": "images/real_mode",
  "protected-mode": "images/protected_mode",
  "long-mode": "images/long_mode",
  "linux-64": "images/linux_64",
  pvh: "images/pvh",
  multiboot: "images/multiboot",
  cpl3: "images/cpl3",
  "lapic-timer": "images/lapic_timer",
  pit: "images/pit",
  smp: "images/smp",
  "string-io": "images/string_io",
  echo: "images/echo",
  rtc: "images/rtc",
  busy: "images/busy",
  "power-off": "images/power_off",
  "reset-acpi": "images/reset_acpi",
  "reset-i8042": "images/reset_i8042",
  "reset-port92": "images/reset_port92",
  "triple-fault": "images/triple_fault",
  "emulation-failure": "images/emulation_failure",
  "virtio-block": "images/virtio_block",
  "virtio-console": "images/virtio_console",
  "virtio-entropy": "images/virtio_entropy",
  "virtio-idle": "images/virtio_idle",
  "virtio-net": "images/virtio_net",
} as const;

/** A module that Workers start with. */
export type WorkerName = keyof typeof WORKERS;

/** A file that is read as bytes. */
export type AssetName = keyof typeof ASSETS;

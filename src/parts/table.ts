/**
 * The one table of what the program consists of beside its main module. From it the source tree finds these parts by
 * their paths, and from it they are put into an executable.
 * @module
 */

/** The modules that Workers start with, relative to this folder. */
export const WORKERS = {
  vcpu: "../machine/vcpu_worker.ts",
  io: "../machine/io_worker.ts",
  probe: "../cli/doctor/probe_worker.ts",
} as const;

/** Files that are read as bytes, relative to this folder. */
export const ASSETS = {
  "built-in-guest": "images/built_in_guest",
} as const;

/** A module that Workers start with. */
export type WorkerName = keyof typeof WORKERS;

/** A file that is read as bytes. */
export type AssetName = keyof typeof ASSETS;

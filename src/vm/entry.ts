/**
 * What an OCI image says is to be run.
 * @module
 */
import type { SpawnOptions } from "../guest/agent/mod.ts";
import type { Prepared } from "./config.ts";

/** A command and how it is started. */
export interface Entry extends SpawnOptions {
  readonly command: readonly string[];
}

/**
 * The image's command with its user, variables and folder.
 *
 * @param options what was asked for beside that; it outranks the image's
 * @throws {TypeError} where the root is no OCI image, or the image names no command
 */
export function entryOf({ entry }: Prepared, options: SpawnOptions): Entry {
  if (entry === undefined || entry.command.length === 0) {
    throw new TypeError("the root file system names no command; use guest.spawn");
  }
  const { command, env, user, cwd } = entry;
  return {
    command,
    ...user === "" ? {} : { user },
    cwd,
    ...options,
    env: { ...env, ...options.env },
  };
}

/**
 * The processor architecture of this host. Everything that knows one is behind this door.
 * @module
 */
import { x86_64 } from "./x86_64/architecture.ts";

export type * from "./architecture.ts";
export type { BootImage } from "./x86_64/boot_image.ts";

/** This host's processor is of an architecture that denovisor does not run machines on. */
export class UnsupportedArchitectureError extends Error {
  override readonly name = "UnsupportedArchitectureError";
}

if (Deno.build.arch !== x86_64.name) {
  throw new UnsupportedArchitectureError(
    `denovisor runs machines on x86_64 hosts, and this one is ${Deno.build.arch}`,
  );
}

/** That of this host. */
export const architecture = x86_64;

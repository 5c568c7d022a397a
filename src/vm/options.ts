/**
 * What a machine's maker and its user are told and tell beside its configuration.
 * @module
 */
import type { Duration } from "../guest/duration.ts";
import type { Workers } from "../machine/mod.ts";
import type { ProgressListener } from "../rootfs/mod.ts";

/** What a machine does. */
export type VmState = "created" | "running" | "paused" | "ended";

/** How a machine is made. */
export interface StartOptions {
  /** Stops the machine when it aborts, at whatever time; a start that is under way fails with its reason. */
  readonly signal?: AbortSignal;
  /** Lends the Workers that the machine runs in, such as a {@linkcode WorkerPool}; each is its own without. */
  readonly workers?: Workers;
  /** Is told what is done for the start that takes long: fetching a kernel, building an image. */
  readonly onProgress?: ProgressListener;
}

/** How a machine is started. */
export interface BootOptions extends StartOptions {
  /** How long the guest's agent may take until it listens; five minutes by default. */
  readonly timeout?: Duration;
}

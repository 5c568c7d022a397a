/**
 * What went wrong, told to a user: the message and the exit status of any error.
 * @module
 */
import { EXIT_HOST, EXIT_USAGE } from "./exit_status.ts";

/** The user asked for something that can't be meant; the message says what and what could be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The host failed; the message says what at, and what could be done. */
export class HostError extends Error {
  override readonly name = "HostError";
}

/**
 * The errors of the machine that are about what the user gave: its configuration, and the loaders' errors
 * about files. They are known by name, so that a mistyped option does not have to load the machine first.
 */
const USAGE_ERRORS: ReadonlySet<string> = new Set([
  "UsageError",
  "ConfigError",
  "ImageFileError",
  "KernelFormatError",
  "PlacementError",
  "CommandLineError",
  "LoadOptionError",
  "DeviceError",
  "OptionsError",
]);

/** Whether the error is about what the user asked for, not about the host or this program. */
export function isUsageError(error: unknown): boolean {
  return error instanceof Error && USAGE_ERRORS.has(error.name);
}

/** An error that has an exit status of its own. */
export interface StatusError extends Error {
  readonly exitStatus: number;
}

function hasStatus(error: unknown): error is StatusError {
  return error instanceof Error && "exitStatus" in error && typeof error.exitStatus === "number";
}

/** The exit status that an error leads to. */
export function statusOf(error: unknown): number {
  if (hasStatus(error)) return error.exitStatus;
  return isUsageError(error) ? EXIT_USAGE : EXIT_HOST;
}

/** The errors of this program and its libraries whose message says all; others are shown with their stack. */
const EXPLAINED: ReadonlySet<string> = new Set([
  "HostError",
  "FolderError",
  "RootfsError",
  "CommandError",
  "MissingCommandsError",
  "SysError",
  "OutOfMemoryError",
  "KvmUnavailableError",
  "MsrError",
  "IoUringUnavailableError",
  "MachineFailedError",
  "UnsupportedArchitectureError",
]);

/** What a user is told about an error. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (hasStatus(error) || isUsageError(error) || EXPLAINED.has(error.name)) return error.message;
  if (error instanceof Deno.errors.NotCapable) {
    return `${error.message} (denovisor needs deno run -A)`;
  }
  // An error of the operating system that Deno reports, such as "No space left on device (os error 28)".
  if ("code" in error && typeof error.code === "string") return error.message;
  return error.stack ?? `${error.name}: ${error.message}`;
}

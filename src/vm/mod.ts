/**
 * Machines as scripts and tests use them.
 * @module
 */
export {
  type CommandOptions,
  type ExecOptions,
  ExecResult,
  Guest,
  GuestError,
  GuestGoneError,
  GuestProcess,
  GuestRefusedError,
  type GuestStatus,
  GuestTimeoutError,
  type SpawnOptions,
  type TerminalSize,
} from "../guest/agent/mod.ts";
export type { Duration } from "../guest/duration.ts";
export type { StartConfig } from "./config.ts";
export { VmConsole } from "./console.ts";
export { VmEndedError, VmError, VmTimeoutError } from "./errors.ts";
export type { VmEvent } from "./event.ts";
export { Machine } from "./machine.ts";
export type { VmMetrics } from "./metrics.ts";
export type { BootOptions, StartOptions, VmState } from "./options.ts";
export type { WaitOptions } from "./waiting.ts";

/**
 * Machines: a checked configuration becomes a guest that runs.
 * @module
 */
export { ConfigError, type MachineConfig, parseConfig, parseSize } from "./config.ts";
export type { MachineConsole } from "./console.ts";
export type { MachineEnd, TimelineEntry } from "./end.ts";
export { Machine, MachineFailedError } from "./machine.ts";
export type { CrashReport } from "../vcpu/mod.ts";

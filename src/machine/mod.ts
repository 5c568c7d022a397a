/**
 * Machines: a checked configuration becomes a guest that runs.
 * @module
 */
export {
  type CheckedConfig,
  ConfigError,
  type MachineConfig,
  parseConfig,
  parseSize,
} from "./config.ts";
export * from "./device_tables.ts";
export { DeviceCommandError } from "./io_thread.ts";
export { IoUringUnavailableError, type MachineDevice } from "./io_threads.ts";
export type { BusDeviceInfo } from "./user_devices.ts";
export type { MachineConsole } from "./console.ts";
export { linuxConsole } from "./linux_console.ts";
export type { MachineEnd, TimelineEntry } from "./end.ts";
export { Machine, MachineFailedError } from "./machine.ts";
export { WorkerPool, type Workers } from "./workers.ts";
export type { CrashReport } from "../vcpu/mod.ts";

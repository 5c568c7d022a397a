/**
 * What this process takes of its host.
 * @module
 */
import type { MachineStats } from "./protocol.ts";

/** Milliseconds of a clock tick: USER_HZ is 100 (include/asm-generic/param.h), whatever the kernel's own HZ is. */
const TICK_MS = 10;

/** Fields of proc_pid_stat(5) behind the name, which is in parentheses and may have anything in it. */
const UTIME = 14 - 3;
const STIME = 15 - 3;

/** CPU time in milliseconds and memory in bytes, as /proc tells them. */
export function processUsage(): MachineStats["process"] {
  const stat = Deno.readTextFileSync("/proc/self/stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = Deno.readTextFileSync("/proc/self/status");
  const kibibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
  return {
    pid: Deno.pid,
    user: Number(fields[UTIME]) * TICK_MS,
    system: Number(fields[STIME]) * TICK_MS,
    resident: kibibytes("VmRSS"),
    peak: kibibytes("VmHWM"),
  };
}

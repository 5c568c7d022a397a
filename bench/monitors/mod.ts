/**
 * The monitors that run the same program in a machine with the same devices.
 * @module
 */
import { findCommand } from "../../src/rootfs/command.ts";
import { denovisor } from "./denovisor.ts";
import type { Monitor } from "./monitor.ts";
import { qemu } from "./qemu.ts";

export { denovisor, denovisorAs } from "./denovisor.ts";
export { type Devices, type Guest, guestTscKhz, type Monitor, runGuest } from "./monitor.ts";
export { qemu } from "./qemu.ts";

/** The monitors that are installed here, ours first. */
export function installedMonitors(): readonly Monitor[] {
  return findCommand("qemu-system-x86_64") === undefined ? [denovisor] : [denovisor, qemu];
}

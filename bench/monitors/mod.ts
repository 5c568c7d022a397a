/**
 * The monitors that run the same guest in a machine with the same devices. Another one is a file in this folder and a
 * line in {@linkcode MONITORS}.
 * @module
 */
import { findCommand } from "../../src/rootfs/command.ts";
import { denovisor } from "./denovisor.ts";
import { firecracker } from "./firecracker.ts";
import { kvmtool } from "./kvmtool.ts";
import type { Guest, Monitor } from "./monitor.ts";
import { qemu } from "./qemu.ts";

export { denovisor, denovisorAs } from "./denovisor.ts";
export {
  type Devices,
  type Guest,
  GUEST_CID,
  guestTscKhz,
  type Linux,
  type Monitor,
  runGuest,
  typed,
} from "./monitor.ts";
export { qemu } from "./qemu.ts";

/** All monitors, ours first. */
export const MONITORS: readonly Monitor[] = [denovisor, qemu, firecracker, kvmtool];

/** Who can run a guest here, and why the others can't. */
export interface Choice {
  /** Ours first. */
  readonly monitors: readonly Monitor[];
  /** One sentence on each of the others. */
  readonly notes: readonly string[];
}

/**
 * Tells which monitors can run a guest on this host.
 *
 * @param search where commands are looked for; PATH without
 */
export function monitorsFor(guest: Guest, search?: string): Choice {
  const monitors: Monitor[] = [];
  const notes: string[] = [];
  for (const monitor of MONITORS) {
    const reason = monitor.refusal?.(guest) ?? absence(monitor, search);
    if (reason === undefined) monitors.push(monitor);
    else notes.push(`${monitor.name} is left out: ${reason}.`);
  }
  return { monitors, notes };
}

function absence({ needs }: Monitor, search?: string): string | undefined {
  if (needs === undefined || findCommand(needs.command, search) !== undefined) return undefined;
  const remedy = needs.package === undefined ? "" : ` (Debian's package ${needs.package} has it)`;
  return `there is no ${needs.command} here${remedy}`;
}

/**
 * A machine's counters as numbers.
 * @module
 */
import type { Machine as Core } from "../machine/mod.ts";

/** Counters since the last start of a machine. */
export interface VmMetrics {
  /** Since the machine was created, in milliseconds. */
  readonly uptime: number;
  /** How often vCPUs left the guest, all vCPUs together, by the exit's name. */
  readonly exits: Readonly<Record<string, number>>;
  /** The counters of each virtio device, by the device's name. */
  readonly devices: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Reads all counters. @param uptime in milliseconds */
export function metricsOf(core: Core, uptime: number): VmMetrics {
  const exits: Record<string, number> = {};
  for (const vcpu of core.exits) {
    for (const [name, count] of Object.entries(vcpu)) exits[name] = (exits[name] ?? 0) + count;
  }
  const devices = [...core.devices].map(([id, { metrics }]) => [id, metrics] as const);
  return { uptime, exits, devices: Object.fromEntries(devices) };
}

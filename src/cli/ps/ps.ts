/**
 * `denovisor ps`.
 * @module
 */
import { ask, printable } from "../control/client.ts";
import { NoMachineError, Places } from "../control/places.ts";
import { ControlError, type MachineInfo } from "../control/protocol.ts";
import { deliver } from "../deliver.ts";
import type { System } from "../system.ts";
import { formatMemory, formatUptime, table } from "../table.ts";
import type { PsOptions } from "./spec.ts";

/** How long a machine's process may take to answer, in milliseconds. */
const ANSWER_MS = 2000;

/** A machine in the list; of one whose process does not answer, no more than the name is known. */
export type Listed =
  | MachineInfo
  | {
    readonly [K in Exclude<keyof MachineInfo, "name" | "state">]: null;
  }
    & { readonly name: string; readonly state: "silent" };

/** The action of the verb. @returns the exit status */
export async function ps(
  _operands: readonly string[],
  { json }: PsOptions,
  system: System,
): Promise<number> {
  const places = Places.find();
  const names = places === undefined ? [] : await places.names();
  const found = await Promise.all(names.map((name) => look(places!, name)));
  const listed = found.filter((machine) => machine !== undefined);
  return deliver(system, json ? `${JSON.stringify(listed)}\n` : report(listed));
}

/** Asks a machine what it is; undefined where it has ended meanwhile. */
async function look(places: Places, name: string): Promise<Listed | undefined> {
  try {
    return await ask(places, name, { do: "info" }, ANSWER_MS);
  } catch (error) {
    if (error instanceof NoMachineError) return undefined;
    if (error instanceof ControlError && error.kind === "ended") return undefined;
    const unknown = {
      pid: null,
      kernel: null,
      cpus: null,
      memory: null,
      uptime: null,
      agent: null,
    };
    return { name, state: "silent", ...unknown };
  }
}

/** The list for people. */
export function report(machines: readonly Listed[]): string {
  const rows = machines.map(({ name, pid, state, kernel, cpus, memory, uptime }) => [
    name,
    `${pid ?? "-"}`,
    state,
    `${cpus ?? "-"}`,
    memory === null ? "-" : formatMemory(memory),
    uptime === null ? "-" : formatUptime(uptime),
    printable(kernel ?? "-"),
  ]);
  return table([["NAME", "PID", "STATE", "VCPUS", "MEMORY", "UPTIME", "KERNEL"], ...rows]);
}

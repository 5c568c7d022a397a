/**
 * `denovisor stats`.
 * @module
 */
import { ask, machines, printable } from "../control/client.ts";
import { parseName } from "../control/name.ts";
import { NoMachineError } from "../control/places.ts";
import { ControlError, type MachineStats } from "../control/protocol.ts";
import { deliver } from "../deliver.ts";
import { EXIT_OK } from "../exit_status.ts";
import type { System } from "../system.ts";
import { formatMemory, formatUptime, table } from "../table.ts";
import { formatDuration } from "../values.ts";
import type { StatsOptions } from "./spec.ts";

const INTERVAL_MS = 1000;

/** To the upper left corner, and all behind it erased (ECMA-48, CUP and ED). */
const CLEAR = "\x1b[H\x1b[2J";

/** The action of the verb. @returns the exit status */
export async function stats(
  [operand]: readonly string[],
  { watch, json }: StatsOptions,
  system: System,
): Promise<number> {
  const name = parseName(operand);
  const all = machines();
  const show = async () => {
    const stats = await ask(all, name, { do: "stats" });
    if (json) return deliver(system, `${JSON.stringify(stats)}\n`);
    const clear = watch && system.stdout.isTerminal() ? CLEAR : "";
    return deliver(system, clear + report(stats));
  };
  let status = await show();
  while (watch && status === EXIT_OK) {
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    try {
      status = await show();
    } catch (error) {
      const isEnd = error instanceof NoMachineError ||
        error instanceof ControlError && error.kind === "ended";
      if (isEnd) return EXIT_OK;
      throw error;
    }
  }
  return status;
}

/** What a machine has done, for people. */
export function report({ name, state, uptime, exits, devices, process }: MachineStats): string {
  const { pid, user, system, resident, peak } = process;
  const rows = [
    ["machine", `${name}, ${state} for ${formatUptime(uptime)}, process ${pid}`],
    ["CPU time", `${formatDuration(user)} user and guest, ${formatDuration(system)} system`],
    ["memory", `${formatMemory(resident)}, at most ${formatMemory(peak)}`],
    ...exits.map((counts, index) => [`vCPU ${index}`, counters(counts)]),
    ...Object.entries(devices).map(([id, counts]) => [id, counters(counts)]),
  ];
  return table(rows.map((row) => row.map(printable)));
}

/** Counters that have counted something. */
function counters(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count !== 0);
  return some.length === 0 ? "nothing" : some.map(([key, count]) => `${key} ${count}`).join(", ");
}

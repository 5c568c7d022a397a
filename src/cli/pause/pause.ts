/**
 * `denovisor pause`.
 * @module
 */
import { ask } from "../control/client.ts";
import { forEach } from "../control/each.ts";
import type { System } from "../system.ts";
import type { PauseOptions } from "./spec.ts";

/** The action of the verb. @returns the exit status */
export function pause(
  names: readonly string[],
  { json }: PauseOptions,
  system: System,
): Promise<number> {
  return forEach(names, json, system, (name, machines) => ask(machines, name, { do: "pause" }));
}

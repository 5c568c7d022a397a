/**
 * `denovisor stop`.
 * @module
 */
import { ANSWER_MS, askUntilGone } from "../control/client.ts";
import { forEach } from "../control/each.ts";
import type { System } from "../system.ts";
import type { StopOptions } from "./spec.ts";

/** How long a guest that is asked may take where nothing is said, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** The action of the verb. @returns the exit status */
export function stop(
  names: readonly string[],
  { force, timeout: given, json }: StopOptions,
  system: System,
): Promise<number> {
  const timeout = Math.round(given ?? TIMEOUT_MS);
  return forEach(
    names,
    json,
    system,
    (name, machines) =>
      askUntilGone(machines, name, { do: "stop", force, timeout }, timeout + ANSWER_MS),
  );
}

/**
 * What `denovisor man` does.
 * @module
 */
import { deliver } from "../deliver.ts";
import type { System } from "../system.ts";
import { verbs } from "../verbs.ts";
import { RELEASED, VERSION } from "../version.ts";
import { manual } from "./page.ts";

/** `denovisor man`. */
export function man(
  _operands: readonly string[],
  _options: unknown,
  system: System,
): Promise<number> {
  const page = manual(verbs, { version: VERSION, date: RELEASED });
  return Promise.resolve(deliver(system, page));
}

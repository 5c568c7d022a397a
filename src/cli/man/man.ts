/**
 * What `denovisor man` does.
 * @module
 */
import { EXIT_OK } from "../exit_status.ts";
import { print, type System } from "../system.ts";
import { verbs } from "../verbs.ts";
import { RELEASED, VERSION } from "../version.ts";
import { manual } from "./page.ts";

/** `denovisor man`. */
export function man(_operands: readonly string[], _options: unknown, system: System) {
  print(system.stdout, manual(verbs, { version: VERSION, date: RELEASED }));
  return Promise.resolve(EXIT_OK);
}

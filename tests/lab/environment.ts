/**
 * What a command in the lab gets of our environment: the variables that say where its tools and
 * caches are and how it should talk, and no others.
 *
 * @module
 */

import { dirname } from "node:path";
import { PROGRAMS_FOLDER } from "./init.ts";

const PASSED_ON = [
  ...["HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TERM", "COLORTERM"],
  ...["CI", "NO_COLOR", "FORCE_COLOR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"],
  ...["DENO_DIR", "DENO_JOBS", "DENO_V8_FLAGS", "RUST_BACKTRACE"],
];

/**
 * The environment of a command in the lab. `DENOVISOR_LAB=1` says where it runs.
 *
 * @param extra variables to add or replace.
 */
export function labEnvironment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const environment: Record<string, string> = {
    // Under npx, `deno` on PATH is a script for node; the program itself starts seconds sooner.
    PATH: `${dirname(Deno.execPath())}:${
      Deno.env.get("PATH") ?? "/usr/bin:/bin"
    }:${PROGRAMS_FOLDER}`,
    DENO_NO_UPDATE_CHECK: "1",
    DENOVISOR_LAB: "1",
  };
  for (const name of PASSED_ON) {
    const value = Deno.env.get(name);
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, ...extra };
}

/**
 * What `denovisor --version` tells: the program, what it was built from, and what it runs on.
 * @module
 */
import { build, commit } from "../../parts/mod.ts";
import { deliver } from "../deliver.ts";
import { PROGRAM } from "../root.ts";
import type { System } from "../system.ts";
import { VERSION } from "../version.ts";
import type { VersionOptions } from "./spec.ts";

/** The version of the program and of all that's in it. */
export interface VersionReport {
  readonly version: string;
  /** In full, and `-dirty` behind it where files had been changed; null where it is not known. */
  readonly commit: string | null;
  /** How the program is carried. */
  readonly carrier: ReturnType<typeof build>["carrier"];
  readonly deno: string;
  readonly v8: string;
  /** The architecture, vendor and system that Deno was built for. */
  readonly target: string;
}

/** How many digits of a commit are for people. */
const SHORT_COMMIT = 7;

/** One line: `denovisor 0.1.0 (commit 4a9f79e, Deno 2.9.6, V8 14.9.207.2-rusty)`. */
export function versionLine({ version, commit, deno, v8 }: VersionReport): string {
  const short = commit?.replace(/^[0-9a-f]+/, (digits) => digits.slice(0, SHORT_COMMIT));
  const parts = [`Deno ${deno}`, `V8 ${v8}`];
  if (short !== undefined) parts.unshift(`commit ${short}`);
  return `${PROGRAM} ${version} (${parts.join(", ")})`;
}

/** `denovisor --version`. */
export async function version(
  _operands: readonly string[],
  { json }: VersionOptions,
  system: System,
): Promise<number> {
  const report: VersionReport = {
    version: VERSION,
    commit: await commit() || null,
    carrier: build().carrier,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    target: Deno.build.target,
  };
  return deliver(system, `${json ? JSON.stringify(report) : versionLine(report)}\n`);
}

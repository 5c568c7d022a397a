/**
 * What a script asks for, as the core of the machine is given it.
 * @module
 */
import type { MachineConfig } from "../machine/mod.ts";
import type { StartOptions } from "./machine.ts";

/** A machine as a script describes it. */
export interface StartConfig extends MachineConfig {
  /** What a reset by the guest does: `"end"` ends the machine (the default), `"restart"` starts it again. */
  readonly onReset?: "end" | "restart";
}

/** What a machine is started from, as often as it is reset. */
export interface Prepared extends AsyncDisposable {
  readonly config: MachineConfig;
  readonly onReset: "end" | "restart";
}

/** Makes ready what a machine needs beside its configuration. */
// deno-lint-ignore require-await
export async function prepare(config: StartConfig, _options: StartOptions): Promise<Prepared> {
  const { onReset = "end", ...core } = config;
  return { config: core, onReset, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Whether what a machine boots is surely a stock kernel, and not a small program of somebody's own. */
export function needsLinux({ kernel, initrd }: StartConfig): boolean {
  return initrd !== undefined || typeof kernel !== "string" && !("bytes" in kernel);
}

/**
 * On what a measurement was made.
 * @module
 */
import { runText } from "../../src/rootfs/command.ts";
import { CommandError, RootfsError } from "../../src/rootfs/errors.ts";
import { MONITORS } from "../monitors/mod.ts";

/** The machine and the versions of all that is compared, for the head of a report. */
export async function describeHost(): Promise<Record<string, string>> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo");
  const model = /^(?:model name|CPU part)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "unknown";
  const [load] = Deno.loadavg();
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const host: Record<string, string> = {
    processor: `${model}, ${navigator.hardwareConcurrency} cores, load ${load.toFixed(2)}`,
    memory: `${memory} GiB`,
    kernel: `Linux ${Deno.osRelease()} ${Deno.build.arch}`,
    deno: `${Deno.version.deno}, V8 ${Deno.version.v8}`,
  };
  const versions: [string, [string, ...string[]]][] = [
    ["compiler", ["gcc", "--version"]],
    ...MONITORS.flatMap(({ name, needs }): [string, [string, ...string[]]][] =>
      needs === undefined ? [] : [[name, [needs.command, needs.version]]]
    ),
  ];
  for (const [name, command] of versions) {
    const version = await firstLine(command);
    if (version !== undefined) host[name] = version;
  }
  return host;
}

/** The first line that a command prints; undefined where it isn't installed or has nothing to say. */
async function firstLine(command: [string, ...string[]]): Promise<string | undefined> {
  try {
    return (await runText(command)).trim().split("\n")[0] || undefined;
  } catch (error) {
    if (error instanceof CommandError || error instanceof RootfsError) return undefined;
    throw error;
  }
}

/** The commit of this checkout, with a `+` where what is measured has been changed since; "unknown" without git. */
export async function describeCommit(): Promise<string> {
  const cwd = import.meta.dirname;
  try {
    const commit = (await runText(["git", "rev-parse", "--short=12", "HEAD"], { cwd })).trim();
    const made = ["bench/results", "bench/RESULTS.md"].map((path) => `:(top,exclude)${path}`);
    const changed = await runText(["git", "status", "--porcelain", "--", ":/", ...made], { cwd });
    return changed === "" ? commit : `${commit}+`;
  } catch (error) {
    if (error instanceof CommandError || error instanceof RootfsError) return "unknown";
    throw error;
  }
}

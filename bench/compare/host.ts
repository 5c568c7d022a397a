/**
 * On what a measurement was made.
 * @module
 */
import { runText } from "../../src/rootfs/command.ts";

/** The machine and the versions, for the head of a report. */
export async function describeHost(): Promise<Record<string, string>> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo");
  const model = /^(?:model name|CPU part)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "unknown";
  const [compiler] = (await runText(["gcc", "--version"])).split("\n");
  const [load] = Deno.loadavg();
  return {
    processor: `${model}, ${navigator.hardwareConcurrency} cores, load ${load.toFixed(2)}`,
    kernel: `Linux ${Deno.osRelease()} ${Deno.build.arch}`,
    deno: `${Deno.version.deno}, V8 ${Deno.version.v8}`,
    compiler,
  };
}

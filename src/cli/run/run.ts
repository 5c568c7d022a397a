/**
 * `denovisor run`: from parsed options to an exit status.
 * @module
 */
import type { TimelineEntry } from "../../machine/end.ts";
import { Machine } from "../../machine/machine.ts";
import type { CheckedConfig } from "../../machine/schema.ts";
import { HostError, messageOf, statusOf } from "../errors.ts";
import { print, say, type System } from "../system.ts";
import { plainConfiguration } from "./fields.ts";
import type { CreateMachine } from "./machine.ts";
import { messagesOf, reportOf, reportOfError, type RunReport } from "./outcome.ts";
import type { Rootfs } from "./rootfs.ts";
import { runMachine, type RunRequest, type RunResult } from "./session.ts";
import type { RunOptions } from "./options.ts";
import { timelineLines, timelineSvg, wholeTimeline } from "./timeline.ts";

/** The action of the verb. @returns the exit status */
export function run(
  operands: readonly string[],
  options: RunOptions,
  system: System,
): Promise<number> {
  return runWith(Machine.create, operands, options, system);
}

/** The same with machines of the caller's. */
export async function runWith(
  create: CreateMachine,
  [kernel]: readonly string[],
  options: RunOptions,
  system: System,
): Promise<number> {
  const began = performance.now();
  let report: RunReport;
  try {
    await using rootfs = await rootfsOf(kernel, options, system);
    const request = await requestOf(kernel, options, rootfs);
    const understood = performance.now();
    const past = options.timeline === undefined ? undefined : system.past?.(began);
    const result = await runMachine(request, system, create);
    if (options.timeline !== undefined) {
      const whole = past === undefined ? result.timeline : wholeTimeline(past, understood, result);
      showTimeline(whole, options.timeline, system);
    }
    const messages = [
      ...messagesOf(result, request.console.kind === "stdio"),
      ...await hint(result),
    ];
    if (messages.length > 0) say(system, messages.join("\n"));
    report = reportOf(result);
  } catch (error) {
    say(system, messageOf(error));
    report = reportOfError(messageOf(error), statusOf(error), performance.now() - began);
  }
  return tell(report, options, system);
}

/** Everything that a machine with a root file system boots from. Others load nothing of that. */
async function rootfsOf(
  kernel: string | undefined,
  options: RunOptions,
  system: System,
): Promise<Rootfs | undefined> {
  if (options.rootfs === undefined) return undefined;
  const [{ prepareRootfs }, { ask }] = await Promise.all([
    import("./rootfs.ts"),
    import("./configuration.ts"),
  ]);
  return await prepareRootfs(ask(kernel, options), options.rootfs, system);
}

/** What the options ask for. @throws {UsageError} naming each option that is wrong */
async function requestOf(
  kernel: string | undefined,
  options: RunOptions,
  rootfs: Rootfs | undefined,
): Promise<RunRequest> {
  const config = await configOf(kernel, options, rootfs);
  return {
    config,
    endOfInput: await endOfInputOf(config),
    console: options.console?.target ?? { kind: "stdio" },
    timeout: options.timeout,
    onReboot: options.onReboot ?? "exit",
    name: options.name,
    agent: rootfs?.agent,
  };
}

/** The configuration. Where it has no devices, their tables stay unread. @throws {UsageError} */
async function configOf(
  kernel: string | undefined,
  options: RunOptions,
  rootfs: Rootfs | undefined,
): Promise<CheckedConfig> {
  const plain = rootfs === undefined ? plainConfiguration(kernel, options) : undefined;
  if (plain !== undefined) return plain;
  const { ask, configurationOf } = await import("./configuration.ts");
  return configurationOf(rootfs?.asked ?? ask(kernel, options));
}

/** What the guest takes for the end of its input. Only the built-in guest's kernel is no file. */
async function endOfInputOf({ kernel }: CheckedConfig): Promise<Uint8Array | undefined> {
  if (typeof kernel === "string") return undefined;
  return (await import("../../machine/built_in_guest.ts")).END_OF_INPUT;
}

/** Where KVM gave up on an instruction, whether it can run stock kernels at all: a probe tells. */
async function hint({ end }: RunResult): Promise<string[]> {
  if (end.kind !== "crash" || !crashText(end.report).includes("KVM_INTERNAL_ERROR_EMULATION")) {
    return [];
  }
  const { probeStockKernels } = await import("../../machine/probe/probe.ts");
  const { runsStockKernels, instructions } = await probeStockKernels();
  if (runsStockKernels) return [];
  const failing = instructions.filter(({ status }) => status === "fails");
  const names = failing.map(({ instruction }) => instruction).join(", ");
  return [
    `this host's KVM can't run stock kernels: it does not execute ${names} in kernel mode ` +
    "(denovisor doctor tells more)",
  ];
}

function crashText({ reason, details }: { reason: string; details: readonly string[] }): string {
  return [reason, ...details].join("\n");
}

/** Shows a timeline in lines, or as a picture in a file. @throws {HostError} a file that can't be written */
function showTimeline(
  timeline: readonly TimelineEntry[],
  picture: string | true,
  system: System,
): void {
  if (picture === true) {
    say(system, ["timeline:", ...timelineLines(timeline)].join("\n"));
    return;
  }
  try {
    Deno.writeTextFileSync(picture, timelineSvg(timeline));
  } catch (cause) {
    throw new HostError(`--timeline: ${messageOf(cause)}`, { cause });
  }
}

/** Writes the report where the options want it. @returns the exit status */
function tell(report: RunReport, options: RunOptions, system: System): number {
  const line = JSON.stringify(report) + "\n";
  if (options.json) print(system.stderr, line);
  if (options.jsonFile === undefined) return report.status;
  try {
    Deno.writeTextFileSync(options.jsonFile, line);
    return report.status;
  } catch (cause) {
    const error = new HostError(`--json-file: ${messageOf(cause)}`, { cause });
    say(system, error.message);
    return statusOf(error);
  }
}

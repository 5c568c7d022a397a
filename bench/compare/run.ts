/**
 * `deno task compare` with its arguments: what is measured where, and what becomes of the results.
 * @module
 */
import { CommanderError } from "commander";
import { join } from "node:path";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { RootfsError } from "../../src/rootfs/errors.ts";
import { probeStockKernels } from "../../src/machine/probe/probe.ts";
import { quote } from "../monitors/monitor.ts";
import { describeCommit } from "./host.ts";
import { measureApart } from "./isolate.ts";
import { isThere, measureHere, placeHere } from "./measure.ts";
import { type Options, parseOptions } from "./options.ts";
import { keep, type Kept } from "./record.ts";
import { render } from "./render.ts";
import type { Subject } from "./report.ts";
import { table } from "./table.ts";
import { print, say, tellRound } from "./terminal.ts";

/** What can be measured, and by which program. */
export interface Bench {
  readonly subjects: readonly Subject[];
  /** The path of the module that calls {@linkcode compare}: it's run again for each subject. */
  readonly entry: string;
}

const USAGE_ERROR = 2;

/** Runs a command line. @returns the exit status */
export async function compare(args: readonly string[], bench: Bench): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args, bench.subjects);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    throw error;
  }
  const { json, write, folder } = options;
  const command = ["deno", "task", "compare", ...args].map(quote).join(" ");
  let failures = 0;
  /** Does something, whose failure is told and takes nothing else along. */
  const attempt = async (what: string, body: () => Promise<void>) => {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failures++;
      say(`compare: ${what}: ${error.message}`);
    }
  };
  const results: Kept[] = [];
  for (const subject of options.render ? [] : options.subjects) {
    await attempt(subject.name, async () => {
      const kept = await measure(subject, options, bench, command);
      results.push(kept);
      if (write) await keep(join(folder, "results"), kept);
      if (!json) print(table(kept));
    });
  }
  if (json) print(JSON.stringify(results, null, 2));
  if (options.render || write && results.length > 0) {
    await attempt("the report", async () => {
      const report = await render(folder, bench.subjects);
      if (!json) say(`wrote ${report}`);
    });
  }
  return failures === 0 ? 0 : 1;
}

async function measure(
  subject: Subject,
  options: Options,
  { entry }: Bench,
  command: string,
): Promise<Kept> {
  const { seconds = subject.extent.seconds, rounds = subject.extent.rounds } = options;
  if (options.here) {
    const onRound = (done: number) => tellRound(subject.name, done, rounds);
    return await measureHere(subject, { seconds, rounds, onRound }, command);
  }
  await install(subject);
  const place = await placeFor(subject);
  const extent = ["--seconds", String(seconds), "--rounds", String(rounds)];
  if (place === "the lab") await subject.fetch?.();
  const commit = await describeCommit();
  return {
    ...await measureApart({ subject, place, entry, options: extent }, say),
    commit,
    command,
  };
}

/** Where a subject is to be measured; says so where that isn't here. */
async function placeFor({ name, rig }: Subject): Promise<Kept["place"]> {
  if (rig === "direct") return placeHere();
  const { runsStockKernels, problem } = await probeStockKernels();
  if (runsStockKernels) return placeHere();
  const why = problem ?? "its KVM can't run stock kernels (see: deno task denovisor doctor)";
  say(`${name}: in the lab, for this host won't do: ${why}`);
  return "the lab";
}

/** Installs what a subject compares with, one after another; what can't be had is told, and left out. */
async function install({ name, needs }: Subject): Promise<void> {
  for (const [what, debianPackage] of Object.entries(needs)) {
    if (isThere(what)) continue;
    try {
      await ensureDebianPackages({ [what]: debianPackage });
    } catch (error) {
      if (!(error instanceof RootfsError)) throw error;
      say(`${name}: there is no ${what}: ${error.message}`);
    }
  }
}

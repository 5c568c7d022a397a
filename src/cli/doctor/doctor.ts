/**
 * `denovisor doctor`: what this host can do.
 * @module
 */
import { EXIT_HOST, EXIT_OK } from "../exit_status.ts";
import { mayPaint } from "../paint.ts";
import { print, type System } from "../system.ts";
import { hostChecks, thisHost } from "./host_checks.ts";
import { kvmChecks } from "./kvm_checks.ts";
import { probeStockKernels } from "../../machine/probe/probe.ts";
import { render, reportOn } from "./report.ts";
import type { DoctorOptions } from "./spec.ts";

/** The action of the verb. @returns the exit status */
export async function doctor(
  _operands: readonly string[],
  options: DoctorOptions,
  system: System,
): Promise<number> {
  const probe = await probeStockKernels();
  const report = reportOn([...kvmChecks(probe), ...await hostChecks(thisHost)]);
  const text = options.json
    ? JSON.stringify(report, null, 2) + "\n"
    : render(report, mayPaint(system));
  print(system.stdout, text);
  return report.runsStockKernels ? EXIT_OK : EXIT_HOST;
}

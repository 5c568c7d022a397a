/**
 * The lab: a machine, emulated in software, whose KVM behaves as on hardware, for running tests and
 * the demo where this machine's own KVM cannot boot stock kernels, or where there is none.
 *
 * ```ts
 * import { runInLab } from "./mod.ts";
 *
 * const { code, stdout } = await runInLab(["test", "-c", "/dev/kvm"]);
 * ```
 *
 * @module
 */

export { LAB_STATUS, LabError } from "./errors.ts";
export type { LabOptions, LabResult, LabTerminal, LabTiming, TerminalSize } from "./options.ts";
export { CHECKOUT, runInLab } from "./run.ts";

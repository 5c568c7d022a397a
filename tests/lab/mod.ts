/**
 * The lab: a machine, emulated in software, whose KVM behaves as on hardware, for running tests and
 * the demo where this machine's own KVM cannot boot stock kernels, or where there is none.
 *
 * What a command reads most is in the lab's memory before it starts: a copy of the checkout as it is
 * now (without `.git`, which is this machine's), Deno, and what Deno's cache has for the checkout.
 * Everything else comes from this machine through a share, which is slow while this machine is busy.
 *
 * | what the command writes to             | becomes of it                                        |
 * | -------------------------------------- | ---------------------------------------------------- |
 * | the checkout                           | written here once the command has ended; lost when the lab is ended before that |
 * | the checkout, with `live` (`--live`)   | written here at once                                 |
 * | `shares` (`--share FOLDER`)            | written here at once                                 |
 * | /scratch (`--scratch SIZE`)            | gone with the lab; a disk with ext4, for O_DIRECT, holes and errors of a full disk |
 * | anything else, the checkout's .git too | gone with the lab, whose memory it takes             |
 *
 * `modprobe` loads any module of the lab's kernel.
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

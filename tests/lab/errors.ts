/**
 * How the lab fails. A command that fails in it is no failure of the lab.
 *
 * @module
 */

/**
 * Exit statuses of `lab` that are not the command's own. Besides, 126 and 127 say, as in a shell,
 * that the command cannot be executed or is not there, and 128 + n that signal n ended it.
 */
export const LAB_STATUS = {
  /** The options make no sense. */
  usage: 2,
  /** The lab could not be set up: something is missing on this machine. */
  unavailable: 120,
  /** The command was not started within the boot time-out. */
  timeout: 121,
  /** QEMU ended, or the lab's kernel panicked, before the command did. */
  died: 122,
} as const;

/** The lab itself failed; the message ends with the last lines of its console. */
export class LabError extends Error {
  override readonly name = "LabError";
  /**
   * @param reason "timeout" before the command was started, "died" at any time.
   * @param problem what happened.
   * @param output the last lines of the lab's console and of QEMU's own messages.
   */
  constructor(readonly reason: "timeout" | "died", problem: string, readonly output: string) {
    super(output === "" ? problem : `${problem}; its last lines were:\n${output}`);
  }
}

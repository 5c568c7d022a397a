/**
 * The errors of fetching and building root file systems and kernels.
 *
 * @module
 */

/** A root file system, a kernel or a part of one cannot be had; the message says what to do about it. */
export class RootfsError extends Error {
  override readonly name: string = "RootfsError";
}

/** A command of the host failed; carries what it printed. */
export class CommandError extends RootfsError {
  override readonly name = "CommandError";
  /**
   * @param command the program and its arguments.
   * @param code its exit status.
   * @param stderr the end of what it wrote to standard error.
   */
  constructor(
    readonly command: readonly string[],
    readonly code: number,
    readonly stderr: string,
  ) {
    super(`${command.join(" ")} failed with status ${code}${stderr === "" ? "" : `: ${stderr}`}`);
  }
}

/** Commands that are needed are not installed, and we cannot install them. */
export class MissingCommandsError extends RootfsError {
  override readonly name = "MissingCommandsError";
  /**
   * @param commands the commands that are not on PATH.
   * @param packages the Debian packages that have them.
   * @param reason why they are not installed here and now.
   */
  constructor(
    readonly commands: readonly string[],
    readonly packages: readonly string[],
    reason: string,
  ) {
    super(
      `not installed: ${commands.join(", ")} (${reason}). Install with: ` +
        `apt-get update && apt-get install --no-install-recommends ${packages.join(" ")}`,
    );
  }
}

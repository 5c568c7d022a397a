/**
 * What went wrong with a machine that a script uses. Each error has the console's last lines, which tell why more
 * often than not.
 * @module
 */

/** An error of a machine, with what its guest said last. */
export class VmError extends Error {
  override readonly name: string = "VmError";
  /** The last lines of the console. */
  readonly console: readonly string[];

  /** @param console the last lines of the console, which are in the message, too */
  constructor(problem: string, console: readonly string[], options?: ErrorOptions) {
    super(
      console.length === 0
        ? problem
        : [`${problem}; the console's last lines:`, ...console.map((line) => `  ${line}`)].join(
          "\n",
        ),
      options,
    );
    this.console = console;
  }
}

/** The machine has ended, and so there is nothing more to wait for. */
export class VmEndedError extends VmError {
  override readonly name = "VmEndedError";
}

/** What was waited for did not come in time. */
export class VmTimeoutError extends VmError {
  override readonly name = "VmTimeoutError";
}

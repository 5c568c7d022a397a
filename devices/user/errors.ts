/**
 * What goes wrong in a device that the user has written, told with the device's name and its module.
 * @module
 */

/** The user's own code threw, or gave what it must not. The message names the device, its module and the call. */
export class UserDeviceError extends Error {
  override readonly name = "UserDeviceError";

  constructor(
    /** The device's name in its machine, such as `"dice0"`. */
    readonly device: string,
    /** The URL of the module that it is written in. */
    readonly module: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`the device ${device} (${module}): ${problem}`, options);
  }
}

/** What was thrown, with where: the whole stack, in lines. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

/** What was thrown, with where in one line: `boom (file:///home/me/dice.ts:12:5)`. */
export function lineOf(error: unknown, module: string): string {
  if (!(error instanceof Error)) return String(error);
  const { message, stack = "" } = error;
  const at = stack.indexOf(`${module}:`);
  const place = at === -1 ? undefined : /^\S+?:\d+:\d+/.exec(stack.slice(at))?.[0];
  return place === undefined ? message : `${message} (${place})`;
}

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

/** A user's module can't be imported, or its default export is no device. The message names the module. */
export class UserModuleError extends Error {
  override readonly name = "UserModuleError";

  constructor(readonly module: string, problem: string, options?: ErrorOptions) {
    super(`${module}: ${problem}`, options);
  }
}

/**
 * What was thrown, with where: the stack, in lines, down to the module's own last one. What is below that is who has
 * called it, which is always the same.
 */
export function stackOf(error: unknown, module: string): string {
  if (!(error instanceof Error)) return String(error);
  const lines = (error.stack ?? error.message).split("\n");
  const last = lines.findLastIndex((line) => line.includes(`${module}:`));
  return (last === -1 ? lines : lines.slice(0, last + 1)).join("\n");
}

/** What was thrown, with where in one line: `boom (file:///home/me/dice.ts:12:5)`. */
export function lineOf(error: unknown, module: string): string {
  if (!(error instanceof Error)) return String(error);
  const { message, stack = "" } = error;
  if (message.includes(module)) return message;
  const at = stack.indexOf(`${module}:`);
  const place = at === -1 ? undefined : /^\S+?:\d+:\d+/.exec(stack.slice(at))?.[0];
  return place === undefined ? message : `${message} (${place})`;
}

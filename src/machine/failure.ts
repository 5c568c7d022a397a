/**
 * What is told of code that threw.
 * @module
 */
import { UserDeviceError, UserModuleError } from "../../devices/user/errors.ts";

/** What a user is told where a Worker's code has thrown: all there is to say of a device of theirs, else the stack. */
export function failureText(error: unknown): string {
  if (error instanceof UserDeviceError || error instanceof UserModuleError) return error.message;
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

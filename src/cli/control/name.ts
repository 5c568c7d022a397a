/**
 * Names of running machines. A name is a part of a socket's path, and is typed on command lines.
 * @module
 */
import { UsageError } from "../errors.ts";

/** The most characters of a name: those of a host's name (RFC 1123, section 2.1). */
export const NAME_LIMIT = 63;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Whether a machine can have this name. */
export function isName(text: string): boolean {
  return text.length <= NAME_LIMIT && NAME.test(text);
}

/** A machine's name. @throws {UsageError} */
export function parseName(text: string): string {
  if (isName(text)) return text;
  throw new UsageError(
    `A machine's name is at most ${NAME_LIMIT} letters, digits and the characters _ . -, and begins with ` +
      "a letter or digit.",
  );
}

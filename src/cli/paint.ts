/**
 * Colours on terminals.
 * @module
 */
import type { System } from "./system.ts";

/** SGR parameters (ECMA-48, 8.3.117). */
export const GREEN = "32";
export const YELLOW = "33";
export const BOLD_RED = "1;31";

/** Whether what goes to standard output may have colours: on a terminal whose user has not set NO_COLOR. */
export function mayPaint({ stdout }: System): boolean {
  // https://no-color.org: any value that is not empty.
  return stdout.isTerminal() && !Deno.env.get("NO_COLOR");
}

/** Text in a colour, where `color` is set. @param sgr the colour's parameters */
export function paint(text: string, sgr: string, color: boolean): string {
  return color ? `\x1b[${sgr}m${text}\x1b[0m` : text;
}

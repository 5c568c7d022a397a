/**
 * Values of options: text in, a checked value or a {@linkcode UsageError} out.
 * @module
 */
import { milliseconds } from "../guest/duration.ts";
import { UsageError } from "./errors.ts";

/**
 * A time span such as `30s`, `2m`, `1.5h` or `500ms`; a number alone is seconds.
 *
 * @returns milliseconds, at least 1
 * @throws {UsageError}
 */
export function parseDuration(text: string): number {
  try {
    return milliseconds(text);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error;
  }
}

/** A time span for people: `850 ms`, `2.4 s`. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A whole number of at least 1. @throws {UsageError} */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1) {
    throw new UsageError("It has to be a whole number of at least 1.");
  }
  return Number(text);
}

/** A guest physical address, `0x…` or decimal. @throws {UsageError} */
export function parseAddress(text: string): number {
  const address = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(address)) return address;
  throw new UsageError("An address is a number such as 0x100000.");
}

/** Text that is not empty. @throws {UsageError} */
export function parsePath(text: string): string {
  if (text === "") throw new UsageError("A path can't be empty.");
  return text;
}

/** The name of a picture's file, which tells it from any other word behind its option. @throws {UsageError} */
export function parsePicture(text: string): string {
  if (/.\.svg$/i.test(text)) return text;
  throw new UsageError(
    "A picture is a file whose name ends in .svg. Without a picture, another option goes behind this one, or nothing.",
  );
}

/** A file for the guest with the command line that its kernel is told for it. */
export interface ModuleValue {
  readonly path: string;
  readonly cmdline: string;
}

/** `PATH` or `PATH,CMDLINE`; the first comma ends the path. @throws {UsageError} */
export function parseModule(text: string): ModuleValue {
  const comma = text.indexOf(",");
  if (comma === -1) return { path: parsePath(text), cmdline: "" };
  return { path: parsePath(text.slice(0, comma)), cmdline: text.slice(comma + 1) };
}

/** Where the guest's console goes. */
export type ConsoleTarget =
  | { readonly kind: "stdio" }
  | { readonly kind: "none" }
  | { readonly kind: "file"; readonly path: string };

/** The machine's console: the device that carries it, and where it goes. */
export interface ConsoleValue {
  readonly device?: "serial" | "virtio";
  readonly target?: ConsoleTarget;
}

/**
 * `serial` or `virtio`, and `stdio`, `none`, `file:PATH` or a path that can be told from a mistyped word; both
 * with a comma between.
 *
 * @throws {UsageError}
 */
export function parseConsole(text: string): ConsoleValue {
  const [first, ...rest] = text.split(",");
  if (first !== "serial" && first !== "virtio") return { target: parseTarget(text) };
  return rest.length === 0
    ? { device: first }
    : { device: first, target: parseTarget(rest.join(",")) };
}

function parseTarget(text: string): ConsoleTarget {
  if (text === "stdio" || text === "none") return { kind: text };
  if (text.startsWith("file:")) return { kind: "file", path: parsePath(text.slice(5)) };
  if (/[/.]/.test(text)) return { kind: "file", path: text };
  throw new UsageError(
    "A console is serial or virtio, and goes to stdio, none or a file. " +
      `For a file of that name write file:${text}.`,
  );
}

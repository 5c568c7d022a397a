/**
 * Opening a kernel, an initrd or a module: what goes wrong with files before anyone looks into them.
 * What is wrong with their contents is told by detect.ts and the format's loader.
 * @module
 */
import { ImageFileError } from "./errors.ts";
import type { ImageSource } from "./image.ts";

/** A file that is open for reading until it is disposed of. */
export class FileImage implements ImageSource, Disposable {
  readonly name: string;
  readonly size: number;
  readonly #file: Deno.FsFile;
  readonly #what: string;

  /** Use {@link openImage}. */
  constructor(name: string, size: number, file: Deno.FsFile, what: string) {
    this.name = name;
    this.size = size;
    this.#file = file;
    this.#what = what;
  }

  read(offset: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const count = this.#readOnce(offset + done, into.subarray(done));
      if (count === 0) {
        throw new ImageFileError({
          file: this.name,
          field: "size",
          value: offset + done,
          problem: `the ${this.#what} ended at byte ${offset + done}, but had ${this.size} bytes ` +
            "when it was opened",
          remedy: "don't change it while it is being loaded",
        });
      }
      done += count;
    }
  }

  #readOnce(offset: number, into: Uint8Array): number {
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      return this.#file.readSync(into) ?? 0;
    } catch (error) {
      throw fileError(this.name, this.#what, "read", error);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Opens a file to load from. Dispose of it once it is loaded.
 *
 * @param what what it is to be, for messages: `"kernel"`, `"initrd"` or `"module"`
 * @throws {ImageFileError} missing, not permitted, not a regular file, empty, or unreadable
 */
export function openImage(path: string, what: "kernel" | "initrd" | "module"): FileImage {
  // The type is looked at first: opening a FIFO that nobody writes to would wait for ever.
  checkType(path, what, attempt(path, what, () => Deno.statSync(path)));
  const file = attempt(path, what, () => Deno.openSync(path, { read: true }));
  try {
    const info = attempt(path, what, () => file.statSync());
    checkType(path, what, info);
    if (info.size === 0) {
      throw new ImageFileError({
        file: path,
        field: "size",
        value: 0,
        problem: `the ${what} is an empty file`,
        remedy: "see whether the step that made it failed",
      });
    }
    return new FileImage(path, info.size, file, what);
  } catch (error) {
    file.close();
    throw error;
  }
}

function attempt<T>(path: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(path, what, "open", error);
  }
}

function checkType(path: string, what: string, info: Deno.FileInfo): void {
  if (info.isFile) return;
  const type = info.isDirectory
    ? "directory"
    : info.isCharDevice
    ? "character device"
    : info.isBlockDevice
    ? "block device"
    : info.isFifo
    ? "FIFO"
    : info.isSocket
    ? "socket"
    : "special file";
  throw new ImageFileError({
    file: path,
    field: "type",
    value: type,
    problem: `this is a ${type}, not a ${what}`,
    remedy: info.isDirectory ? `give a file in it` : "copy its contents to a regular file first",
  });
}

/** What Deno or the host says about a file, in terms of the file. Exported for its test. */
export function fileError(
  path: string,
  what: string,
  action: "open" | "read",
  cause: unknown,
): ImageFileError {
  const [field, problem, remedy] = explain(what, action, cause);
  const value = cause instanceof Error ? cause.name : String(cause);
  return new ImageFileError({ file: path, field, value, problem, remedy, cause });
}

function explain(what: string, action: string, cause: unknown): [string, string, string] {
  if (cause instanceof Deno.errors.NotFound) {
    return ["path", `there is no such ${what}`, "check the path"];
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return [
      "mode",
      `no permission to ${action} the ${what}`,
      "let this user read it (chmod, chown)",
    ];
  }
  if (cause instanceof Deno.errors.NotCapable) {
    return ["permission", `Deno may not ${action} the ${what}`, "run it with --allow-read"];
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return ["path", `can't ${action} the ${what}: ${message}`, "check the path and the disk"];
}

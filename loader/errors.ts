/**
 * The errors of the loaders. Each names the file, the field of it (or the option) that is wrong and the
 * value found there, and its message ends with what to do about it.
 *
 * ```text
 * LoaderError
 * ├── ImageFileError      the file can't be opened or read
 * ├── KernelFormatError   its bytes are not a kernel that can be started here
 * ├── PlacementError      the bytes are right, but there is no room for them in this guest's memory
 * ├── CommandLineError    the command line has a character, a quote or a length that the kernel can't take
 * └── LoadOptionError     the options contradict each other or the file
 * ```
 * @module
 */

/** What every {@link LoaderError} is made of. */
export interface LoaderErrorDetails {
  /** The path or name of the file, or of the thing that stands for it. */
  readonly file: string;
  /** The name of the header's field, the option or the property of the file that is wrong. */
  readonly field: string;
  /** What was found there. Addresses and sizes are numbers, or bigints beyond 2^53. */
  readonly value: number | bigint | string;
  /** What is wrong, as a clause. */
  readonly problem: string;
  /** What to do about it, as a clause. */
  readonly remedy: string;
  /** The error underneath, if any. */
  readonly cause?: unknown;
}

/** Anything that keeps a kernel, an initrd or a module from being loaded. */
export abstract class LoaderError extends Error {
  /** See {@link LoaderErrorDetails.file}. */
  readonly file: string;
  /** See {@link LoaderErrorDetails.field}. */
  readonly field: string;
  /** See {@link LoaderErrorDetails.value}. */
  readonly value: number | bigint | string;
  /** See {@link LoaderErrorDetails.remedy}. */
  readonly remedy: string;

  constructor(details: LoaderErrorDetails) {
    const { file, field, value, problem, remedy, cause } = details;
    super(`${file}: ${problem}; ${remedy}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.field = field;
    this.value = value;
    this.remedy = remedy;
  }
}

/** A file that can't be opened or read; `field` is the property of the file, such as `"type"`. */
export class ImageFileError extends LoaderError {
  override readonly name = "ImageFileError";
}

/** A file that is no kernel, or one that is damaged or not for this machine. */
export class KernelFormatError extends LoaderError {
  override readonly name = "KernelFormatError";
}

/** Something that does not fit into the guest's memory beside what is there already. */
export class PlacementError extends LoaderError {
  override readonly name = "PlacementError";
}

/** A command line that the kernel would cut off or misread. */
export class CommandLineError extends LoaderError {
  override readonly name = "CommandLineError";
}

/** An option that contradicts another option or the file; `field` is the option's name. */
export class LoadOptionError extends LoaderError {
  override readonly name = "LoadOptionError";
}

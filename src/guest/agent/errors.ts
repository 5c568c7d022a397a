/**
 * What goes wrong between the host and a guest's agent.
 * @module
 */

/** Something that the guest could not do, or that could not be asked of it. */
export class GuestError extends Error {
  override readonly name: string = "GuestError";
}

/** The guest has refused: a file that is not there, a command that can't be run, a full disk. */
export class GuestRefusedError extends GuestError {
  override readonly name = "GuestRefusedError";
  /** The errno's name, as `"ENOENT"`. */
  readonly code: string;
  /** What the guest was to do. */
  readonly operation: string;
  /** The file, command or user that it was about; empty where there is none. */
  readonly path: string;

  constructor(code: string, operation: string, path: string) {
    const meaning = MEANINGS[code];
    const about = path === "" ? "" : ` ${JSON.stringify(path)}`;
    super(`the guest can't ${operation}${about}: ${meaning ? `${meaning} (${code})` : code}`);
    this.code = code;
    this.operation = operation;
    this.path = path;
  }
}

/** The guest is gone, or its agent is: whatever was asked is not answered any more. */
export class GuestGoneError extends GuestError {
  override readonly name = "GuestGoneError";
}

/** It took longer than it was given. What was running in the guest has been ended. */
export class GuestTimeoutError extends GuestError {
  override readonly name = "GuestTimeoutError";
}

/** Errnos that users meet, as strerror(3) tells of them. */
const MEANINGS: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EIO: "input/output error",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EAGAIN: "too many processes or commands at once",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "it crosses into another file system",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  EMFILE: "too many open files",
  ETXTBSY: "the program is running",
  EFBIG: "file too large",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
  EPIPE: "broken pipe",
  ENAMETOOLONG: "file name too long",
  ENOSYS: "it does not know how",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many levels of folders or links",
  EPROTO: "protocol error",
  EDQUOT: "disk quota exceeded",
};

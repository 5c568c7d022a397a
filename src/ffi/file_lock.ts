/**
 * Locks on whole files between processes: those of open file descriptions (fcntl(2), "Open file description locks").
 * @module
 */
import { EACCES, EAGAIN, EINTR, errno, SysError } from "./errno.ts";
import { libc } from "./libc.ts";

/** struct flock where off_t has 64 bits (asm-generic/fcntl.h), in bytes. */
export const flock = {
  size: 32,
  l_type: 0,
  l_whence: 2,
  l_start: 8,
  l_len: 16,
  l_pid: 24,
} as const;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

/** `"shared"`: others may share it too; `"exclusive"`: nobody else has any lock on the file. */
export type LockKind = "shared" | "exclusive";

function wholeFile(type: number): DataView {
  // From the file's start (l_whence SEEK_SET) to its end, wherever that will be (l_len 0); l_pid must be 0.
  const view = new DataView(new ArrayBuffer(flock.size));
  view.setInt16(flock.l_type, type, true);
  return view;
}

/**
 * Locks the whole file for this open file description (F_OFD_SETLK), without waiting. A lock that it has already
 * is changed. The lock ends when the last descriptor of the description is closed, however the process ends.
 *
 * @param fd open for reading for a shared lock, for writing for an exclusive one (EBADF otherwise)
 * @returns false where somebody else's lock is in the way
 * @throws {SysError} such as ENOLCK of a file system without locks
 */
export function lockFile(fd: number, kind: LockKind, what: string): boolean {
  return setLock(fd, kind === "shared" ? F_RDLCK : F_WRLCK, what);
}

/** Gives the lock up that {@linkcode lockFile} has taken. @throws {SysError} */
export function unlockFile(fd: number, what: string): void {
  setLock(fd, F_UNLCK, what);
}

function setLock(fd: number, type: number, what: string): boolean {
  const lock = wholeFile(type);
  for (;;) {
    if (libc.fcntl_buffer(fd, F_OFD_SETLK, new Uint8Array(lock.buffer)) === 0) return true;
    const code = errno();
    if (code === EAGAIN || code === EACCES) return false;
    if (code !== EINTR) throw new SysError("fcntl(F_OFD_SETLK)", code, what);
  }
}

/** A lock that somebody else has. */
export interface ForeignLock {
  readonly kind: LockKind;
  /** The process that has it; undefined for a lock of an open file description, which has no process. */
  readonly pid: number | undefined;
}

/** Whose lock would be in the way of one of this kind (F_OFD_GETLK). @throws {SysError} */
export function conflictingLock(fd: number, kind: LockKind, what: string): ForeignLock | undefined {
  const lock = wholeFile(kind === "shared" ? F_RDLCK : F_WRLCK);
  while (libc.fcntl_buffer(fd, F_OFD_GETLK, new Uint8Array(lock.buffer)) < 0) {
    const code = errno();
    if (code !== EINTR) throw new SysError("fcntl(F_OFD_GETLK)", code, what);
  }
  const type = lock.getInt16(flock.l_type, true);
  if (type === F_UNLCK) return undefined;
  const pid = lock.getInt32(flock.l_pid, true);
  return { kind: type === F_RDLCK ? "shared" : "exclusive", pid: pid > 0 ? pid : undefined };
}

/**
 * Locks between the processes of a host: files that one holds at a time (flock(2)).
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";

/** How often a lock that is held by another is tried. Milliseconds. */
const PAUSE_MS = 50;

/** What happens while a lock is waited for. */
export interface LockOptions {
  /** Gives up when aborted. */
  readonly signal?: AbortSignal;
  /** Called once, when another has the lock; what it gives is disposed of when the waiting ends. */
  readonly onWait?: () => Disposable;
}

/**
 * Takes an exclusive lock on a file, which is created and stays. Released when disposed of, and by
 * the kernel when the process ends.
 */
export async function lock(
  path: string,
  { signal, onWait }: LockOptions = {},
): Promise<Disposable> {
  const file = await Deno.open(path, { create: true, read: true, write: true });
  try {
    if (await file.tryLock(true)) return file;
    using _waiting = onWait?.();
    // A lock that is waited for could not be given up.
    do await delay(PAUSE_MS, undefined, { signal }); while (!await file.tryLock(true));
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

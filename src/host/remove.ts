/**
 * Removing folders that others may still write to.
 * @module
 */

/** How often, and after how many milliseconds, a removal that something interferes with is tried. */
const TRIES = 20;
const PAUSE_MS = 50;

/**
 * Removes a folder and all that is in it, if it is there. A command that was just ended may write a last file into it
 * meanwhile, so this is tried for a second. Synchronous, because it runs when a signal is about to end the process.
 */
export function removeFolder(path: string): void {
  for (let attempt = 1;; attempt++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      // Where another process removes it at the same time, what is not found may be a file in it.
      if (error instanceof Deno.errors.NotFound && !isThere(path)) return;
      if (attempt === TRIES) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

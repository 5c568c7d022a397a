/**
 * What the C library's allocator keeps of memory that was freed.
 *
 * It gives memory at a heap's end back when that has grown beyond a threshold, which is 128 KiB at first, but rises to
 * twice the largest block that was ever mapped and freed. Reading and compiling a program leaves it at megabytes, for
 * the heap of each thread, and each Worker keeps as much for good.
 * @module
 */
import { libc } from "./libc.ts";
import { M_TRIM_THRESHOLD } from "./program_abi.ts";

/** glibc's own default. */
const TRIM_THRESHOLD = 128 << 10;

/**
 * Has every thread's heap keep no more than 128 KiB free at its end from now on.
 *
 * @returns whether the C library does so
 */
export function limitFreeHeap(): boolean {
  // Once it was set, it's no longer adjusted.
  return libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD) === 1;
}

/** Gives what is free inside of heaps back to the host, in whole pages (malloc_trim(3)). */
export function trimHeap(): void {
  libc.malloc_trim(0n);
}

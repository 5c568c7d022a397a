/**
 * How much memory this machine can spare.
 *
 * @module
 */

/** MiB that can be had without swapping (`MemAvailable` in proc(5)'s /proc/meminfo). */
export function availableMemoryMiB(): number {
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"));
  if (line === null) throw new Error("/proc/meminfo has no MemAvailable");
  return Math.floor(Number(line[1]) / 1024);
}

/**
 * Adds up what several runs of `deno test` say in their last lines.
 * @module
 */

/** How many tests passed, failed and were skipped. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const ANSI = new RegExp(String.raw`\x1b\[[0-9;]*m`, "g");

/**
 * Reads the closing line of one `deno test`, such as `ok | 9 passed | 0 failed | 2 ignored (6ms)`.
 *
 * @returns undefined where there's none, which means that the run did not come to its end
 */
export function readCounts(output: string): Counts | undefined {
  const pattern = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?:.*? \| (\d+) ignored)?/gm;
  const last = [...output.replace(ANSI, "").matchAll(pattern)].at(-1);
  if (last === undefined) return undefined;
  return { passed: Number(last[1]), failed: Number(last[2]), skipped: Number(last[3] ?? 0) };
}

/** Adds `more` to `total`. A run that failed without a failed test (it did not compile, say) counts as one. */
export function add(total: Counts, more: Counts | undefined, success: boolean): void {
  total.passed += more?.passed ?? 0;
  total.skipped += more?.skipped ?? 0;
  total.failed += Math.max(more?.failed ?? 0, success ? 0 : 1);
}

/** The closing line that readers and machines look for. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

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

/** Colours and the like of a terminal. */
export const ANSI = new RegExp(String.raw`\x1b\[[0-9;]*m`, "g");

/** Adds what one run counted. */
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

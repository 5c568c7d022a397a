/**
 * One finding about the host.
 * @module
 */

/**
 * `ok`: it's there. `missing`: it isn't, and machines need it. `absent`: it isn't, and only some machines
 * can use it.
 */
export type CheckStatus = "ok" | "missing" | "absent";

/** One thing that was looked at, as `--json` shows it too. */
export interface Check {
  /** The group that it belongs to. */
  readonly area: "KVM" | "capabilities" | "guest" | "host";
  /** What was looked at. */
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly detail: string;
  /** What to do about it, where something can be done. */
  readonly remedy?: string;
}

/** The text of anything that was thrown. */
export function messageOfThrown(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

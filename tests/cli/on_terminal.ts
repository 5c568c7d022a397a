/**
 * Programs on a pseudo-terminal (pty.py).
 * @module
 */
import assert from "node:assert/strict";

/** What is done on the terminal, step by step. */
export type Step =
  | { readonly expect: string }
  | { readonly type: string }
  | { readonly signal: Deno.Signal }
  | { readonly raw: boolean }
  | { readonly stopped: true }
  /** Rows and columns. */
  | { readonly resize: readonly [number, number] }
  | { readonly hangup: true };

/** What a program left. */
export interface TerminalLeft {
  readonly status: number;
  readonly output: string;
  /** Whether the terminal's settings are what they were. */
  readonly restored: boolean | null;
  readonly error: string | null;
}

/** Whether there's a terminal to be had. */
export async function hasTerminal(): Promise<boolean> {
  try {
    const options: Deno.CommandOptions = { stdout: "null", stderr: "null" };
    return (await new Deno.Command("python3", { ...options, args: ["-c", "import pty"] }).output())
      .success;
  } catch {
    return false;
  }
}

/**
 * Runs a program on a terminal of 24 rows and 80 columns.
 *
 * @param env variables beside those that the tests have; PTY_SECONDS is how long all may take, 30 by default
 * @throws what a step waited for in vain
 */
export async function onTerminal(
  command: readonly string[],
  steps: readonly Step[],
  env: Readonly<Record<string, string>> = {},
): Promise<TerminalLeft> {
  const script = new URL("./pty.py", import.meta.url).pathname;
  const { stdout } = await new Deno.Command("python3", {
    args: [script, JSON.stringify(steps), ...command],
    env: { DENO_NO_UPDATE_CHECK: "1", ...env },
    stderr: "inherit",
  }).output();
  const left: TerminalLeft = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(left.error, null, left.output);
  return left;
}

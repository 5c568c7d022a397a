/**
 * What tests do with the Linux guests that they start by the project's own library.
 * @module
 */
import type { Machine } from "../../mod.ts";
import type { Duration } from "../../src/guest/duration.ts";
import type { Guest } from "../../src/guest/agent/mod.ts";

/** A stock kernel with busybox and the agent. */
export const LINUX = {
  kernel: { debian: "cloud" },
  rootfs: { busybox: true },
  memory: "256M",
} as const;

/** What a kernel says of drivers that went wrong, found in its log: no lines and status 1 where it said nothing. */
export const COMPLAINTS = "dmesg | grep -E 'BUG|WARNING|Call Trace|hung|needs reset'";

/**
 * Runs commands of the guest's shell.
 *
 * @returns what they print, without the last line's end
 * @throws {Error} with what they print, when their status isn't 0 or they take too long
 */
export async function sh(
  guest: Guest,
  commands: string,
  timeout: Duration = "1m",
): Promise<string> {
  const { code, text } = await trySh(guest, commands, timeout);
  if (code !== 0) throw new Error(`status ${code} from ${commands}:\n${text}`);
  return text;
}

/** The same for commands that may fail. Errors are among what they print. */
export async function trySh(
  guest: Guest,
  commands: string,
  timeout: Duration = "1m",
): Promise<{ readonly code: number; readonly text: string }> {
  const command = ["sh", "-c", `exec 2>&1; ${commands}`];
  const { code, stdoutText } = await guest.exec(command, { timeout });
  return { code, text: stdoutText.trimEnd() };
}

/** What the machine's devices have had to say so far; it grows while they say more. */
export function deviceLog(vm: Machine): readonly string[] {
  const log: string[] = [];
  (async () => {
    for await (const event of vm.events()) {
      if (event.kind === "device") log.push(`${event.device}: ${event.message}`);
    }
  })();
  return log;
}

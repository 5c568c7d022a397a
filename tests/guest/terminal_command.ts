/**
 * A command on a terminal, by the agent on this host or in a guest.
 * @module
 */
import assert from "node:assert/strict";
import type { Guest } from "../../src/guest/agent/mod.ts";
import { StreamText } from "./stream_text.ts";

/** That a terminal has the size that it is given, follows another, and has Ctrl-C interrupt its command. */
export async function assertTerminal(guest: Guest): Promise<void> {
  const tty = { columns: 101, rows: 33 };
  assert.equal((await guest.exec(["stty", "size"], { tty })).stdoutText, "33 101\r\n");
  const script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done";
  await using process = await guest.spawn(["sh", "-c", script], { tty });
  const output = new StreamText(process.stdout);
  await output.expect("up\r\n");
  await process.resize(44, 12);
  await output.expect("12 44\r\n");
  const input = process.stdin.getWriter();
  await input.write(Uint8Array.of(3));
  assert.deepEqual(await process.status, { success: false, code: 130, signal: "SIGINT" });
}

/**
 * The program of peer.c in a guest.
 * @module
 */
import assert from "node:assert/strict";
import type { Guest, GuestProcess } from "../../src/guest/agent/mod.ts";
import { linesOf, peerProgram } from "./peer.ts";

/** For a GiB on a busy host. */
const TIMEOUT = "400s";

/** Puts the program into a guest, where its shell finds it. */
export async function copyPeer(guest: Guest): Promise<void> {
  await guest.copyIn(await peerProgram(), "/bin/peer");
}

/** Runs it to its end. @returns what it prints @throws {AssertionError} with its message, when it fails */
export async function peerIn(guest: Guest, ...args: string[]): Promise<string> {
  const { code, stdoutText, stderrText } = await guest.exec(["peer", ...args], {
    timeout: TIMEOUT,
  });
  assert.equal(code, 0, stderrText);
  return stdoutText;
}

/** One that runs beside the test. */
export interface RunningPeer {
  readonly process: GuestProcess;
  /** What it prints next; undefined at its end. */
  line(): Promise<string | undefined>;
}

/** Starts it and waits for its first line. */
export async function startPeerIn(
  guest: Guest,
  expected: string,
  ...args: string[]
): Promise<RunningPeer> {
  const process = await guest.spawn(["peer", ...args], { stderr: "null" });
  const lines = linesOf(process.stdout);
  const line = async () => (await lines.next()).value;
  assert.equal(await line(), expected);
  return { process, line };
}

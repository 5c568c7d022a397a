/**
 * The agent in a stock kernel's guest, over its socket device.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { AgentGuest } from "./agent_guest.ts";
import { guestTest } from "./boot.ts";
import { tell } from "./peer.ts";

guestTest("commands run in a guest, and 64 MiB go through one unchanged", async () => {
  const began = performance.now();
  await using machine = await AgentGuest.start({ cpus: 2, memory: "512M" });
  const { guest } = machine;
  const timer = setTimeout(async () => {
    await machine.machine.stop();
    tell(await machine.output);
  }, 120_000);
  try {
    const result = await guest.exec(["sh", "-c", "uname -r; echo err >&2; exit 3"]);
    tell(`first command after ${Math.round(performance.now() - began)} ms`);
    assert.match(result.stdoutText, /-cloud-amd64\n$/);
    assert.equal(result.stderrText, "err\n");
    assert.equal(result.code, 3);
    const input = new Uint8Array(64 << 20);
    for (let at = 0; at < input.length; at += 65536) {
      crypto.getRandomValues(input.subarray(at, at + 65536));
    }
    const start = performance.now();
    const { stdout } = await guest.exec(["cat"], { stdin: input });
    tell(`64 MiB there and back in ${Math.round(performance.now() - start)} ms`);
    assert(stdout.length === input.length && Buffer.compare(stdout, input) === 0);
  } finally {
    clearTimeout(timer);
  }
});

/**
 * A command that is interrupted twice, whatever guest it runs in.
 * @module
 */
import assert from "node:assert/strict";
import { spawnDenovisor } from "./process.ts";

/**
 * Runs a command in a machine by `exec`. The first SIGINT is the command's own affair, the second one kills it.
 *
 * @param env where the machine's socket is found
 */
export async function assertSecondInterruptKills(
  machine: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const script = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.1; done";
  const child = spawnDenovisor(["exec", machine, "sh", "-c", script], env);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let out = "";
  const until = async (text: string) => {
    while (!out.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`it ended with ${JSON.stringify(out)}`);
      out += value;
    }
  };
  await until("ready\n");
  child.kill("SIGINT");
  await until("interrupted\n");
  child.kill("SIGINT");
  assert.equal((await child.status).code, 137);
  await Promise.all([reader.cancel(), child.stderr.cancel(), child.stdin.close()]);
}

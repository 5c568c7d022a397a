/**
 * `deno task compare` as a process, for the tests of what it measures.
 * @module
 */
import { resolve } from "node:path";

const compare = resolve(import.meta.dirname!, "../../bench/compare.ts");

/** What a run of it left. */
export interface Left {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. */
export async function runCompare(...args: string[]): Promise<Left> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", compare, ...args],
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

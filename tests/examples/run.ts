/**
 * Runs an example as a user does.
 * @module
 */
import { join } from "node:path";

/** Runs it by `deno run` or `deno test`. @returns what it printed */
export async function runExample(name: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [name.endsWith("_test.ts") ? "test" : "run", "-A", "--no-check", name],
    cwd: import.meta.dirname!,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const [out, err] = [stdout, stderr].map((bytes) => decoder.decode(bytes));
  if (!success) throw new Error(`${join("tests/examples", name)} failed:\n${out}${err}`);
  return out;
}

/**
 * Other programs, run to their ends.
 * @module
 */

/** A program could not be started, or failed. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
}

/** What a program printed. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a program, with the environment of this one and nothing to read.
 *
 * @throws {ProcessError} with all that was printed
 */
export async function run(
  [program, ...args]: readonly [string, ...string[]],
  cwd?: string,
): Promise<Printed> {
  const env = { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  const what = [program, ...args].join(" ");
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args, cwd, env, stdin: "null" }).output();
  } catch (error) {
    throw new ProcessError(`${what}: ${error instanceof Error ? error.message : error}`);
  }
  const decoder = new TextDecoder();
  const [out, err] = [output.stdout, output.stderr].map((bytes) => decoder.decode(bytes));
  if (output.success) return { out, err };
  throw new ProcessError(`${what}: status ${output.code}\n${out}${err}`);
}

/**
 * The program as a process of its own.
 * @module
 */

/** The program's entry point. */
export const MAIN: string = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** The arguments of Deno that run the program. */
export const DENO_ARGS: readonly string[] = ["run", "-A", "--quiet", MAIN];

const environment = { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };

/** What a process left. */
export interface Left {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Starts the program with pipes. */
export function spawnDenovisor(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...DENO_ARGS, ...args],
    env: environment,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the program to its end; `input` is all that it can read. */
export async function denovisor(args: readonly string[], input = ""): Promise<Left> {
  const child = spawnDenovisor(args);
  const writer = child.stdin.getWriter();
  // A program that has ended reads no more.
  const typed = writer.write(new TextEncoder().encode(input)).then(() => writer.close());
  const { code, stdout, stderr } = await child.output();
  await typed.catch(() => {});
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, out: decode(stdout), err: decode(stderr) };
}

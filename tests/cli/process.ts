/**
 * The program as a process of its own: from the source tree, or the executable that `DENOVISOR_EXECUTABLE` names.
 *
 * This is the one place that decides which. Whatever starts the program asks here for its command line, and so every test
 * that does can be run against either:
 *
 *     DENOVISOR_EXECUTABLE=dist/denovisor deno test -A --filter "the executable" tests/cli
 * @module
 */
import { resolve } from "node:path";

/** The variable of the environment that names an executable. */
export const EXECUTABLE_VARIABLE = "DENOVISOR_EXECUTABLE";

/** The path of the executable that is to be tested, or undefined for the source tree. */
export const EXECUTABLE: string | undefined = executable(Deno.env.get(EXECUTABLE_VARIABLE));

/** Says to tests that the executable sees no file but those that it needs (tests/executable/in_bare_root.ts). */
export const BARE_ROOT_VARIABLE = "DENOVISOR_IN_BARE_ROOT";

/** Whether that is so. */
export const IN_BARE_ROOT: boolean = Deno.env.has(BARE_ROOT_VARIABLE);

function executable(path: string | undefined): string | undefined {
  return path ? resolve(path) : undefined;
}

/** The program's entry point in the source tree. */
const MAIN: string = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** The command line that runs the program of the source tree; its own arguments come behind. */
export const SOURCE_TREE: readonly [string, ...string[]] = [
  ...[Deno.execPath(), "run", "-A", "--quiet"] as const,
  MAIN,
];

/** The command line that runs the program; its own arguments come behind. */
export const PROGRAM: readonly [string, ...string[]] = EXECUTABLE === undefined
  ? SOURCE_TREE
  : [EXECUTABLE];

/** What stands behind the name of a test that runs the program. */
export const ON: string = EXECUTABLE === undefined ? "" : " [the executable]";

/** Defines a test that runs the program; its name tells when it is the executable that it runs. */
export function programTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  options: { readonly ignore?: boolean } = {},
): void {
  Deno.test({ ...options, name: name + ON, fn });
}

/** What the program is given of an environment beside what the tests have. */
const environment = { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };

/** What a process left. */
export interface Left {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Starts the program with pipes. @param env variables beside those that the tests have */
export function spawnDenovisor(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  const [program, ...first] = PROGRAM;
  return new Deno.Command(program, {
    args: [...first, ...args],
    env: { ...environment, ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the program to its end; `input` is all that it can read. */
export function denovisor(args: readonly string[], input = ""): Promise<Left> {
  return finish(spawnDenovisor(args), input);
}

/** Feeds a process that has pipes, and takes what it leaves. */
export async function finish(child: Deno.ChildProcess, input = ""): Promise<Left> {
  const writer = child.stdin.getWriter();
  // A program that has ended reads no more.
  const typed = writer.write(new TextEncoder().encode(input)).then(() => writer.close())
    .catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await typed;
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, out: decode(stdout), err: decode(stderr) };
}

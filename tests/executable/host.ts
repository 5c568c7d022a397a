/**
 * The executable as processes that are started in ways of their own, with a guest that runs on this host's KVM.
 *
 * The executable is the one that `DENOVISOR_EXECUTABLE` names (tests/cli/process.ts). Where none is named, or the host lacks
 * what a test needs, the test is ignored and its name says what for.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { findCommand } from "../../src/rootfs/command.ts";
import { buildConsoleKernel } from "../cli/console_kernel.ts";
import { EXECUTABLE, EXECUTABLE_VARIABLE, finish, type Left, ON } from "../cli/process.ts";

/** A folder of this file of tests, for everyone to read. */
export const FOLDER: string = await Deno.makeTempDir({ prefix: "denovisor-executable-" });
await Deno.chmod(FOLDER, 0o755);
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

/** The kernel of tests/cli/console_kernel.ts. */
export const KERNEL: string | undefined = await buildConsoleKernel(FOLDER);

/** What {@linkcode SCRIPT} says. */
export const SAID = "a script was run";

/** A program for Deno, which says that it was run. */
export const SCRIPT: string = join(FOLDER, "script.ts");
await Deno.writeTextFile(SCRIPT, `console.log("${SAID}");`);

/** How long a process may take before it's killed: none needs a tenth of it, on a busy host either. */
const PATIENCE_MS = 60_000;

/** What tests may need of a host, and whether it's there. */
const THINGS = {
  "root with namespaces": canUnshare,
  "/dev/kvm": () => isThere("/dev/kvm"),
  binutils: () => KERNEL !== undefined,
  "a host that is no lab": () => Deno.env.get("DENOVISOR_LAB") === undefined,
} as const;

/** Whether we may make namespaces, mount in them and become another user: containers may forbid it to root. */
function canUnshare(): boolean {
  if (["unshare", "setpriv"].some((command) => findCommand(command) === undefined)) return false;
  const script = "mount -t tmpfs tmpfs /mnt && exec setpriv --reuid 1 --clear-groups true";
  return new Deno.Command("unshare", {
    args: ["--mount", "--net", "sh", "-c", script],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Defines a test of the executable.
 *
 * @param needs commands, or names of {@linkcode THINGS}
 */
export function executableTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  ...needs: readonly string[]
): void {
  const has = (need: string) =>
    need in THINGS ? THINGS[need as keyof typeof THINGS]() : findCommand(need) !== undefined;
  const lacks = [
    ...EXECUTABLE === undefined ? [EXECUTABLE_VARIABLE] : [],
    ...needs.filter((need) => !has(need)),
  ];
  const suffix = lacks.length === 0 ? "" : ` (needs ${lacks.join(" and ")})`;
  Deno.test({ name: name + ON + suffix, ignore: lacks.length > 0, fn });
}

/** The same with a guest. */
export function guestTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  ...needs: readonly string[]
): void {
  executableTest(name, fn, "/dev/kvm", "binutils", ...needs);
}

/** The executable's path. */
export function executable(): string {
  assert(EXECUTABLE !== undefined);
  return EXECUTABLE;
}

/** How a process is started. */
export interface Start {
  /** The program; the executable unless another is given. */
  readonly program?: string;
  readonly input?: string;
  readonly cwd?: string;
  /** Beside what the tests have, if nothing else clears it. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a process by a shell's script, in which `"$@"` is the program with its arguments. */
export function startBy(script: string, args: readonly string[], start: Start = {}) {
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", start.program ?? executable(), ...args],
    cwd: start.cwd,
    env: { ...start.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).spawn();
}

/** The script that does nothing in particular. */
export const PLAINLY = 'exec "$@"';

/** Runs a process by a script to its end. */
export function runBy(script: string, args: readonly string[], start: Start = {}): Promise<Left> {
  return finish(startBy(script, args, start), start.input);
}

/** A guest's command line that Deno would take for options of its own, and a shell for many words. */
export const CMDLINE = `--allow-all -- - 'a  b' "c" $HOME \\ --v8-flags=--help`;

/** The arguments that run {@linkcode KERNEL}, with a device that is served by a Worker of its own. */
export function guestArguments(...more: string[]): string[] {
  assert(KERNEL !== undefined);
  return ["run", KERNEL, "--memory", "64M", "--cmdline", CMDLINE, "--rng", ...more];
}

/** What is typed to have {@linkcode KERNEL} say its command line and end. */
export const TYPED = "?e";

/** What is left by a guest of {@linkcode guestArguments} that gets {@linkcode TYPED}. */
export const DONE: Left = { status: 42, out: `ready\n${CMDLINE}\n`, err: "" };

/** Checks that a guest runs where the script leads. */
export async function assertRuns(script: string, start: Start = {}): Promise<void> {
  assert.deepEqual(await runBy(script, guestArguments(), { input: TYPED, ...start }), DONE);
}

/** A copy of the executable that may be changed. @returns its path */
export async function copyExecutable(name: string): Promise<string> {
  const path = join(FOLDER, name);
  await Deno.copyFile(executable(), path);
  await Deno.chmod(path, 0o755);
  return path;
}

/** Resolves when a stream has said something. @throws {Error} when it ended before */
export async function said(stream: ReadableStream<Uint8Array>, text: string): Promise<void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let all = "";
  while (!all.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it never said ${JSON.stringify(text)}, only ${all}`);
    all += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
}

/** How many processes a test has at once where it has many to start. */
const AT_ONCE = 3;

/** Does something for each of many, a few at a time; after a failure no more is begun. */
export async function inParallel<T>(
  items: readonly T[],
  fn: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    try {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await fn(item);
    } finally {
      waiting.length = 0;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

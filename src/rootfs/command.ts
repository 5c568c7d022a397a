/**
 * Running the host's commands.
 *
 * @module
 */

import { CommandError, RootfsError } from "./errors.ts";

/** How much of a failed command's standard error goes into the error. */
const STDERR_TAIL = 2000;

/** Options of {@linkcode run}. */
export interface RunOptions {
  /** Working directory. */
  readonly cwd?: string;
  /** What is written to the command's standard input; nothing by default. */
  readonly input?: Uint8Array<ArrayBuffer>;
  /** Ends the command with SIGTERM when aborted. */
  readonly signal?: AbortSignal;
  /** Called with each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Environment variables beside our own. */
  readonly env?: Record<string, string>;
}

/**
 * Says where a command is, or `undefined`.
 *
 * @param search the folders to look in, separated by colons; PATH by default.
 */
export function findCommand(name: string, search = Deno.env.get("PATH")): string | undefined {
  for (const folder of (search ?? "").split(":")) {
    const path = `${folder || "."}/${name}`;
    try {
      const info = Deno.statSync(path);
      if (info.isFile && info.mode !== null && (info.mode & 0o111) !== 0) return path;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  return undefined;
}

/** Whether a file operation failed because there is no such thing, or we may not look. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.PermissionDenied;
}

/**
 * Runs a command in the C locale and gives its standard output.
 *
 * @throws {CommandError} when it ends with a status other than zero.
 * @throws {RootfsError} when there is no such command.
 */
export async function run(
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const child = spawn(command, options, options.input === undefined ? "null" : "piped");
  const [stdout, stderr, status] = await Promise.all([
    collect(child.stdout, options.onLine),
    new Response(child.stderr).text(),
    child.status,
    options.input === undefined ? undefined : feed(child.stdin, options.input),
  ]);
  options.signal?.throwIfAborted();
  if (!status.success) throw new CommandError(command, status.code, tail(stderr));
  return stdout;
}

/** A command that reads a stream and writes one. */
export interface StreamedCommand {
  /** What it writes; it has to be read for the command to end. */
  readonly output: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Resolves when the command has ended well and has read all its input.
   *
   * Rejects with a {@linkcode CommandError} when it failed, or with the input's own error.
   */
  readonly ended: Promise<void>;
}

/** Options of {@linkcode stream}. */
export interface StreamOptions extends Omit<RunOptions, "input" | "onLine"> {
  readonly input: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Starts a command between two streams.
 *
 * @throws {RootfsError} when there is no such command.
 */
export function stream(
  command: readonly [string, ...string[]],
  { input, ...options }: StreamOptions,
): StreamedCommand {
  const child = spawn(command, options, "piped");
  const end = async (): Promise<void> => {
    const fed = input.pipeTo(child.stdin).then(() => undefined, (error: unknown) => {
      // A command that fails early closes its end; its status and message say more than EPIPE does.
      return error instanceof Deno.errors.BrokenPipe ? undefined : { error };
    });
    const [failure, stderr, status] = await Promise.all([
      fed,
      new Response(child.stderr).text(),
      child.status,
    ]);
    options.signal?.throwIfAborted();
    if (failure !== undefined) throw failure.error;
    if (!status.success) throw new CommandError(command, status.code, tail(stderr));
  };
  const ended = end();
  // Whoever stops reading early may never look at it.
  ended.catch(() => {});
  return { output: child.stdout, ended };
}

/** Runs a command and gives its standard output as text. */
export async function runText(
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<string> {
  return new TextDecoder().decode(await run(command, options));
}

function spawn(
  command: readonly [string, ...string[]],
  options: Pick<RunOptions, "cwd" | "env" | "signal">,
  stdin: "null" | "piped",
): Deno.ChildProcess {
  const [program, ...args] = command;
  try {
    return new Deno.Command(program, {
      args,
      cwd: options.cwd,
      env: { LC_ALL: "C", ...options.env },
      stdin,
      stdout: "piped",
      stderr: "piped",
      signal: options.signal,
    }).spawn();
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new RootfsError(`the command ${program} is not installed`, { cause: error });
  }
}

async function feed(stdin: WritableStream<Uint8Array>, input: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(input);
    await writer.close();
  } catch (error) {
    // A command that fails early closes its end; its status and message say more than EPIPE does.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: ((line: string) => void) | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (onLine === undefined) return new Uint8Array(await new Response(stream).arrayBuffer());
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
  return new Uint8Array(0);
}

function tail(text: string): string {
  const trimmed = text.trim();
  return trimmed.length > STDERR_TAIL ? `…${trimmed.slice(-STDERR_TAIL)}` : trimmed;
}

/**
 * Runs a command in a guest to its end.
 * @module
 */
import type { Link } from "./call.ts";
import type { CommandOptions } from "./command.ts";
import { GuestError } from "./errors.ts";
import { GuestProcess, type GuestStatus } from "./process.ts";

/** How a command is run to its end. */
export interface ExecOptions extends CommandOptions {
  /** What it reads; nothing by default. */
  readonly stdin?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** As many bytes may it print, on each of its streams, before it is ended: 256 MiB by default. */
  readonly maxOutput?: number;
}

const MAX_OUTPUT = 256 << 20;

/** What came of a command. */
export class ExecResult implements GuestStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: Deno.Signal | null;
  /** What it has printed. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it has said of its errors; nothing with a terminal. */
  readonly stderr: Uint8Array<ArrayBuffer>;

  constructor(
    status: GuestStatus,
    stdout: Uint8Array<ArrayBuffer>,
    stderr: Uint8Array<ArrayBuffer>,
  ) {
    this.success = status.success;
    this.code = status.code;
    this.signal = status.signal;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** `stdout` as UTF-8. */
  get stdoutText(): string {
    return new TextDecoder().decode(this.stdout);
  }

  /** `stderr` as UTF-8. */
  get stderrText(): string {
    return new TextDecoder().decode(this.stderr);
  }
}

/** Runs a command; see {@linkcode Guest.exec}. */
export async function execute(
  link: Link,
  command: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const { stdin, maxOutput = MAX_OUTPUT, ...rest } = options;
  const input = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  await using process = await GuestProcess.start(link, command, {
    ...rest,
    stdin: input === undefined ? "null" : "piped",
  });
  const collect = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    return collected(stream, maxOutput, command[0]).catch((error) => {
      process.fail(error);
      throw error;
    });
  };
  const [status, stdout, stderr] = await Promise.all([
    process.status,
    collect(process.stdout),
    rest.tty === undefined ? collect(process.stderr) : new Uint8Array(),
    input === undefined ? undefined : feed(process, input),
  ]);
  return new ExecResult(status, stdout, stderr);
}

/** Gives a command its input. One that does not want all of it is none the worse. */
async function feed(
  process: GuestProcess,
  input: Uint8Array | ReadableStream<Uint8Array>,
): Promise<void> {
  const writer = process.stdin.getWriter();
  // The status tells what became of it.
  writer.closed.catch(() => {});
  const reader = input instanceof Uint8Array ? undefined : input.getReader();
  try {
    for (;;) {
      const { done, value } = reader === undefined
        ? { done: true, value: input as Uint8Array }
        : await nextInput(reader, process);
      if (value !== undefined) await writer.write(value);
      if (done) break;
    }
    await writer.close();
  } catch (error) {
    if (error instanceof InputError) {
      process.fail(error.cause);
      throw error.cause;
    }
    // Nobody wants the rest.
    await reader?.cancel(error).catch(() => {});
  } finally {
    reader?.releaseLock();
  }
}

/** The source of a command's input has failed, and not the command. */
class InputError extends Error {}

/** The next piece of the input, or its end, also when the command has ended meanwhile. */
async function nextInput(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  process: GuestProcess,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const ended = process.status.then(() => {
    throw new GuestError("the command has ended");
  });
  ended.catch(() => {});
  const next = reader.read().catch((cause) => {
    throw new InputError("", { cause });
  });
  return await Promise.race([next, ended]);
}

/** All of a stream. @throws {GuestError} it is more than that */
async function collected(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  most: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > most) throw new GuestError(`${name} prints more than ${most} bytes (maxOutput)`);
    pieces.push(piece);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

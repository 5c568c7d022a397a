/**
 * The client's side of control sockets.
 *
 * | what a machine's process controls | what bounds it |
 * | --- | --- |
 * | how long it takes to answer | a time for each request |
 * | what it answers | frames.ts and protocol.ts: lengths, then the shape |
 * | text that is shown | {@linkcode printable} |
 * @module
 */
import { type ByteSink, type ByteSource, FrameReader, FrameWriter } from "./frames.ts";
import { NoMachineError, Places } from "./places.ts";
import {
  ANSWER_LIMIT,
  type AnswerOf,
  ControlError,
  parseAnswer,
  type Request,
  requestLine,
} from "./protocol.ts";

/** How long a machine's process may take to answer, in milliseconds. */
export const ANSWER_MS = 10_000;

/** What a client needs of the sockets. */
export interface Machines {
  /** @throws {NoMachineError} */
  connect(name: string): Promise<ByteSource & ByteSink & { close(): void }>;
}

/** The machines of this process's user. */
export function machines(): Machines {
  return Places.find() ?? { connect: (name) => Promise.reject(new NoMachineError(name)) };
}

/** A request that was granted, and goes on with frames. */
export interface Stream extends Disposable {
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
}

/**
 * Asks a machine for something that is done when it is answered.
 *
 * @param timeout milliseconds
 * @throws {NoMachineError}
 * @throws {ControlError} it was refused, or there was no answer in time
 */
export async function ask<R extends Request>(
  machines: Machines,
  name: string,
  request: R,
  timeout: number = ANSWER_MS,
): Promise<AnswerOf<R["do"]>> {
  using stream = await open(machines, name, request, timeout);
  return stream.answer;
}

/** The same; resolves when the machine's process has closed the connection, too. */
export async function askUntilGone<R extends Request>(
  machines: Machines,
  name: string,
  request: R,
  timeout: number,
): Promise<AnswerOf<R["do"]>> {
  using stream = await open(machines, name, request, timeout);
  await stream.reader.line(0).catch(() => {});
  return stream.answer;
}

/**
 * Asks a machine for something that goes on behind the answer.
 *
 * @throws {NoMachineError}
 * @throws {ControlError} it was refused, or there was no answer in time
 */
export async function open<R extends Request>(
  machines: Machines,
  name: string,
  request: R,
  timeout: number = ANSWER_MS,
): Promise<Stream & { readonly answer: AnswerOf<R["do"]> }> {
  const connection = await machines.connect(name);
  const close = once(() => connection.close());
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    close();
  }, timeout);
  try {
    const [reader, writer] = [new FrameReader(connection), new FrameWriter(connection)];
    await writer.line(requestLine(request));
    const line = await reader.line(ANSWER_LIMIT);
    if (line === undefined) throw new ControlError("ended", `the machine ${name} has ended`);
    return {
      reader,
      writer,
      answer: parseAnswer<R["do"]>(request.do, line),
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    if (isLate) {
      throw new ControlError(
        "failed",
        `the process of the machine ${name} did not answer within ${timeout / 1000} s`,
        { cause: error },
      );
    }
    if (isLost(error)) {
      throw new ControlError("ended", `the machine ${name} has ended`, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a connection was lost. */
export function isLost(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.NotConnected;
}

function once(close: () => void): () => void {
  let isOpen = true;
  return () => {
    if (isOpen) close();
    isOpen = false;
  };
}

/** Text of another process as it may be shown on a terminal: control characters are replaced. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "\ufffd");
}

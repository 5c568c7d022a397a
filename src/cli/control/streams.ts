/**
 * The server's side of the streams behind `console` and `exec`.
 * @module
 */
import type { GuestCommand, SharedConsole } from "./controlled.ts";
import { Incoming } from "./credit.ts";
import { type Frame, type FrameReader, type FrameWriter, ProtocolError } from "./frames.ts";
import {
  ControlError,
  decodeSignal,
  decodeSize,
  encodeCredit,
  Frames,
  refusal,
} from "./protocol.ts";

/**
 * How long a command's output may go on behind the command's end, in milliseconds: what it has left running may have
 * the output open for ever.
 */
const LEFTOVER_MS = 1000;

/** Serves a client that watches the console, and types. Resolves when the machine or the client has gone. */
export async function serveConsole(
  console: SharedConsole,
  reader: FrameReader,
  writer: FrameWriter,
  over: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const input = new Incoming((bytes) => console.type(bytes), credit(writer));
  const reading = readFrames(reader, ({ type, payload }) => {
    if (type === Frames.input) input.push(payload);
    else if (type === Frames.resize) console.resize(decodeSize(payload));
    else throw unknown(type);
  }).finally(() => gone.abort());
  const printing = (async () => {
    for await (const bytes of console.follow(AbortSignal.any([gone.signal, over]))) {
      await writer.frame(Frames.output, bytes);
    }
  })();
  // A client that has broken the protocol is told so.
  await end(writer, Promise.race([printing, reading]), () => ({ code: 0, signal: null }));
  gone.abort();
}

/** Serves a client that runs a command, to the command's end, or until the client or the machine has gone. */
export async function serveExec(
  command: GuestCommand,
  reader: FrameReader,
  writer: FrameWriter,
  over: AbortSignal,
): Promise<void> {
  const stdin = command.stdin?.getWriter();
  // Whether it is closed by us or by the command's end is told by each write.
  stdin?.closed.catch(() => {});
  const input = new Incoming(
    (bytes) => stdin === undefined ? Promise.resolve() : stdin.write(bytes),
    credit(writer),
    () => stdin?.close(),
  );
  const reading = readFrames(reader, ({ type, payload }) => {
    if (type === Frames.input) input.push(payload);
    else if (type === Frames.inputEnd) input.end();
    else if (type === Frames.resize) command.resize(decodeSize(payload)).catch(() => {});
    else if (type === Frames.signal) command.kill(decodeSignal(payload)).catch(() => {});
    else throw unknown(type);
  });
  const left = reading.then(() => {
    throw new ControlError("failed", "the client has gone");
  });
  const stopping = Promise.withResolvers<never>();
  const stop = () => stopping.reject(new ControlError("ended", "the machine has ended"));
  over.addEventListener("abort", stop);
  const outputs = [copy(command.stdout, (bytes) => writer.frame(Frames.output, bytes))];
  if (command.stderr !== undefined) {
    outputs.push(copy(command.stderr, (bytes) => writer.frame(Frames.errorOutput, bytes)));
  }
  const finished = command.status.then(async (status) => {
    await drained(outputs);
    return status;
  });
  for (const each of [left, stopping.promise, finished]) each.catch(() => {});
  try {
    await end(writer, Promise.race([finished, left, stopping.promise]), (status) => status);
  } finally {
    over.removeEventListener("abort", stop);
    for (const { cancel } of outputs) cancel();
    stdin?.abort().catch(() => {});
  }
}

/** Tells how a stream ended, in its last frame. */
async function end<T>(
  writer: FrameWriter,
  work: Promise<T>,
  told: (result: T) => object,
): Promise<void> {
  let message: object;
  try {
    message = told(await work);
  } catch (error) {
    message = refusal(error);
  }
  const payload = new TextEncoder().encode(JSON.stringify(message));
  await writer.frame(Frames.end, payload).catch(() => {});
}

/** Hands each frame over, until there are no more. */
async function readFrames(reader: FrameReader, take: (frame: Frame) => void): Promise<void> {
  for (;;) {
    let frame: Frame | undefined;
    try {
      frame = await reader.frame();
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      // The connection was reset, or closed by us.
      return;
    }
    if (frame === undefined) return;
    take(frame);
  }
}

function unknown(type: number): ProtocolError {
  return new ProtocolError(`there is no frame of type ${type} for this request`);
}

function credit(writer: FrameWriter): (bytes: number) => void {
  return (bytes) => void writer.frame(Frames.credit, encodeCredit(bytes)).catch(() => {});
}

/** A stream that is being copied. */
interface Copy {
  /** Resolves at the stream's end, or at an error. */
  readonly done: Promise<void>;
  /** For how long nothing has come, in milliseconds; 0 while somebody else has to take what came. */
  readonly silence: () => number;
  readonly cancel: () => void;
}

function copy(stream: ReadableStream<Uint8Array>, to: (bytes: Uint8Array) => Promise<void>): Copy {
  const reader = stream.getReader();
  let since = Infinity;
  const done = (async () => {
    for (;;) {
      since = performance.now();
      const { value } = await reader.read();
      since = Infinity;
      if (value === undefined) return;
      await to(value);
    }
    // A guest that is gone is told by the command's status, a client that is gone by its connection.
  })().catch(() => {});
  return {
    done,
    silence: () => Math.max(0, performance.now() - since),
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** Resolves when the outputs have ended, or nothing has come for a while. */
async function drained(outputs: readonly Copy[]): Promise<void> {
  let open = outputs.length;
  const all = Promise.all(outputs.map(({ done }) => done.then(() => open--)));
  // What came before the command's end does not count.
  for (let rest = LEFTOVER_MS; open > 0 && rest > 0;) {
    const pause = Promise.withResolvers<void>();
    const timer = setTimeout(pause.resolve, rest);
    await Promise.race([all, pause.promise]);
    clearTimeout(timer);
    rest = LEFTOVER_MS - Math.min(...outputs.map(({ silence }) => silence()));
  }
}

/**
 * Single files and folders of a guest's.
 * @module
 */
import { Call, type CallOptions, type Link, unexpected } from "./call.ts";
import type { Channel } from "./channel.ts";
import { GuestError } from "./errors.ts";
import { decodeFields, type Field, type Fields, FrameType, ProtocolError } from "./protocol.ts";

/** What a file is. `other` has a name that is not UTF-8, or is of a kind that Linux did not have. */
export type FileKind =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket"
  | "other";

const KINDS: Readonly<Record<string, FileKind>> = {
  f: "file",
  d: "directory",
  l: "symlink",
  c: "character-device",
  b: "block-device",
  p: "fifo",
  s: "socket",
};

/** A kind by the agent's letter for it. */
export function fileKind(letter: string): FileKind {
  return KINDS[letter] ?? "other";
}

/** What the guest says of a file. */
export interface GuestFileInfo {
  readonly kind: FileKind;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** How many names it has. */
  readonly links: number;
  readonly modified: Date;
  /** Where a symbolic link leads. */
  readonly target?: string;
}

/** One name in a folder. */
export interface GuestDirEntry {
  readonly name: string;
  readonly kind: FileKind;
}

/** How a file is read. */
export interface ReadOptions extends CallOptions {
  /** The first byte to read; 0 by default. */
  readonly offset?: number;
  /** How many bytes to read at most; to the end by default. */
  readonly length?: number;
  /** The most that is taken into memory, before it's an error: 1 GiB by default. */
  readonly maxBytes?: number;
}

/** How a file is written. */
export interface WriteOptions extends CallOptions {
  /** Its permission bits, whatever it had before; 0o644 for a new one by default. */
  readonly mode?: number;
  /** Behind what it has, rather than in its place. */
  readonly append?: boolean;
  /** Whether it's made where it's not there; true by default. */
  readonly create?: boolean;
  /** Whether it has to be new. */
  readonly createNew?: boolean;
}

const MAX_BYTES = 2 ** 30;
const MAX_MODE = 0o7777;
/** The most names of one folder. */
const MAX_NAMES = 1 << 20;

/** Reads a file as it comes. The request ends with the stream. */
export async function openFile(
  link: Link,
  path: string,
  options: ReadOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { offset, length } = options;
  const fields: Field[] = [["p", path]];
  if (offset !== undefined) fields.push(["o", whole(offset, "offset")]);
  if (length !== undefined) fields.push(["l", whole(length, "length")]);
  const { call, control } = await Call.open(link, options, `read ${path}`, FrameType.read, fields);
  try {
    // That it can't be opened is told here, rather than by the stream.
    let first: Uint8Array<ArrayBuffer> | undefined = await piece(call, control);
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const bytes = first ?? await piece(call, control);
          first = undefined;
          if (bytes !== undefined && bytes.length > 0) return controller.enqueue(bytes);
        } catch (error) {
          call.fail(error);
          throw error;
        }
        call.close();
        controller.close();
      },
      cancel: () => call.close(),
    }, { highWaterMark: 0 });
  } catch (error) {
    call.fail(error);
    throw error;
  }
}

/** The next bytes of a file; none at its end. */
async function piece(call: Call, control: Channel): Promise<Uint8Array<ArrayBuffer>> {
  const frame = await call.read(control);
  if (frame.type === FrameType.end) return new Uint8Array();
  if (frame.type !== FrameType.data || frame.payload.length === 0) throw unexpected(frame);
  return frame.payload;
}

/** Reads a whole file. */
export async function readFile(
  link: Link,
  path: string,
  options: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes = MAX_BYTES } = options;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const bytes of await openFile(link, path, options)) {
    size += bytes.length;
    if (size > maxBytes) throw new GuestError(`${path} has more than ${maxBytes} bytes (maxBytes)`);
    pieces.push(bytes);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** Writes a file. */
export async function writeFile(
  link: Link,
  path: string,
  data: string | Uint8Array | ReadableStream<Uint8Array>,
  options: WriteOptions,
): Promise<void> {
  const { mode, append = false, create = true, createNew = false } = options;
  const how = `${create ? "c" : ""}${append ? "a" : "t"}${createNew ? "x" : ""}`;
  const fields: Field[] = [["p", path], ["f", how]];
  if (mode !== undefined) fields.push(["m", octal(mode)]);
  const opened = await Call.open(link, options, `write ${path}`, FrameType.write, fields);
  using call = opened.call;
  const { control } = opened;
  const answer = call.expect(control, FrameType.done);
  await Promise.all([answer, sendAll(call, control, data, answer)]);
}

/** Sends what a file is to have. Gives up when the guest has answered, which it does early only to refuse. */
async function sendAll(
  call: Call,
  control: Channel,
  data: string | Uint8Array | ReadableStream<Uint8Array>,
  answer: Promise<Fields>,
): Promise<void> {
  const stream = data instanceof ReadableStream ? data : new Blob([bytesOf(data)]).stream();
  const reader = stream.getReader();
  let isAnswered = false;
  const told = () => {
    isAnswered = true;
    // It may have nothing more to say for a long time.
    reader.cancel().catch(() => {});
  };
  answer.then(told, told);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isAnswered) return;
      if (done) break;
      await control.sendData(FrameType.data, value);
    }
    await control.send(FrameType.end, new Uint8Array());
  } catch (error) {
    // Where the connection has failed, what the guest says of it comes first.
    if (isAnswered || isConnectionError(error)) return;
    call.fail(error);
    throw error;
  }
}

/** Whether it is the connection that failed, and not what was to be sent. */
function isConnectionError(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionReset, Interrupted } = Deno.errors;
  return [BadResource, BrokenPipe, ConnectionReset, Interrupted].some((kind) =>
    error instanceof kind
  );
}

function bytesOf(data: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
}

/** Asks for what is done by one answer. */
export async function ask(
  link: Link,
  options: CallOptions,
  what: string,
  type: number,
  fields: Iterable<Field>,
): Promise<Fields> {
  const { call, control } = await Call.open(link, options, what, type, fields);
  using _ = call;
  return await call.expect(control, FrameType.done);
}

/** Looks at a file. @param follow whether through a symbolic link */
export async function stat(
  link: Link,
  path: string,
  follow: boolean,
  options: CallOptions,
): Promise<GuestFileInfo> {
  const asked: Field[] = follow ? [["p", path]] : [["p", path], ["n", ""]];
  const fields = await ask(link, options, `look at ${path}`, FrameType.stat, asked);
  const target = fields.get("l");
  return {
    kind: fileKind(fields.text("k")),
    mode: fields.number("m", 8, MAX_MODE),
    uid: fields.number("o"),
    gid: fields.number("g"),
    size: fields.number("s"),
    links: fields.number("i"),
    modified: new Date(parseTime(fields.text("t")) * 1000),
    ...(target === undefined ? {} : { target }),
  };
}

/** What is in a folder, by name. */
export async function readDir(
  link: Link,
  path: string,
  options: CallOptions,
): Promise<GuestDirEntry[]> {
  const { call, control } = await Call.open(link, options, `list ${path}`, FrameType.list, [
    ["p", path],
  ]);
  using _ = call;
  const entries: GuestDirEntry[] = [];
  for (;;) {
    const frame = await call.read(control);
    if (frame.type === FrameType.end) break;
    if (frame.type !== FrameType.entry) throw unexpected(frame);
    if (entries.length === MAX_NAMES) throw new GuestError(`${path} has too many names`);
    const fields = decodeFields(frame.payload);
    const name = fields.text("p");
    if (name.includes("/")) throw new ProtocolError("the guest's agent gives a path for a name");
    entries.push({ name, kind: fileKind(fields.text("k")) });
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Seconds and nanoseconds, as the agent writes times. @throws {ProtocolError} */
export function parseTime(text: string): number {
  if (!/^-?\d{1,15}\.\d{9}$/.test(text)) {
    throw new ProtocolError(`the guest's agent gives ${JSON.stringify(text)} for a time`);
  }
  // The kernel's nanoseconds count forward, also before 1970.
  const [seconds, nanoseconds] = text.split(".").map(Number);
  return seconds + nanoseconds / 1e9;
}

/** Permission bits as the agent reads them. @throws {TypeError} */
export function octal(mode: number): string {
  if (!Number.isInteger(mode) || mode < 0 || mode > MAX_MODE) {
    throw new TypeError(`a mode is a number from 0 to 0o7777, not ${mode}`);
  }
  return mode.toString(8);
}

function whole(number: number, name: string): string {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new TypeError(`${name} is a number of bytes, not ${number}`);
  }
  return `${number}`;
}

/**
 * What host and agent say to each other. The guest's side of it is tests/payloads/agent/protocol.h, where each request's
 * fields are listed.
 *
 * A connection carries frames: the payload's length in 32 bits, a type in 8, 24 bits of zero (little-endian), and the
 * payload. Payloads that are not raw bytes are fields: a letter, a value in UTF-8, and a NUL.
 * @module
 */

/** The port that the agent listens at, and that of the host's where it tells that it does. */
export const AGENT_PORT = 52;
/** Of what is spoken here. */
export const PROTOCOL_VERSION = 1;

/** Of a frame's header. */
export const HEADER_BYTES = 8;
/** The most that a frame carries, other than a request. */
export const MAX_PAYLOAD = 65536;
/** The most that a request carries: as much as Linux takes for arguments and environment. */
export const MAX_REQUEST: number = 2 << 20;

/** What a frame is. */
export const FrameType = {
  hello: 0x01,
  exec: 0x10,
  read: 0x11,
  write: 0x12,
  stat: 0x13,
  makeFolder: 0x14,
  remove: 0x15,
  list: 0x16,
  pack: 0x17,
  unpack: 0x18,
  power: 0x19,
  sync: 0x1a,
  info: 0x1b,
  signal: 0x20,
  resize: 0x21,
  data: 0x30,
  end: 0x31,
  entry: 0x32,
  done: 0x40,
  error: 0x41,
  started: 0x42,
  exited: 0x43,
  skipped: 0x44,
  ready: 0x45,
} as const;

/** What a connection is for. */
export const Role = { request: 0, stdin: 1, stdout: 2, stderr: 3 } as const;
/** A connection's purpose. */
export type Role = typeof Role[keyof typeof Role];

/** The guest has said something that is no part of the protocol; nothing more of that connection is believed. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const MAGIC = "DVAG";
const HELLO_BYTES = 24;
/** Of what ties a request's connections together. */
export const TOKEN_BYTES = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A frame's header in front of room for its payload. */
export function frame(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  writeHeader(bytes, type, payload.length);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Writes a header to the beginning of some bytes. */
export function writeHeader(into: Uint8Array<ArrayBuffer>, type: number, length: number): void {
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint32(0, length, true);
  view.setUint32(4, type, true);
}

/**
 * The first frame of a connection.
 *
 * @param streams the roles that a request waits for
 * @param token has {@linkcode TOKEN_BYTES} bytes
 */
export function hello(
  role: Role,
  token: Uint8Array,
  streams: readonly Role[] = [],
): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(HELLO_BYTES);
  payload.set(encoder.encode(MAGIC));
  new DataView(payload.buffer).setUint16(4, PROTOCOL_VERSION, true);
  payload[6] = role;
  payload[7] = streams.reduce<number>((mask, stream) => mask | 1 << stream, 0);
  payload.set(token, HELLO_BYTES - TOKEN_BYTES);
  return frame(FrameType.hello, payload);
}

/** One field: its letter and its value. */
export type Field = readonly [letter: string, value: string];

/**
 * Writes fields.
 *
 * @throws {TypeError} for a value with a NUL in it, which no path, argument or variable can have
 */
export function encodeFields(fields: Iterable<Field>): Uint8Array<ArrayBuffer> {
  let text = "";
  for (const [letter, value] of fields) {
    if (value.includes("\0")) {
      throw new TypeError(`${JSON.stringify(value)} has a NUL in it, which Linux takes nowhere`);
    }
    text += `${letter}${value}\0`;
  }
  return encoder.encode(text);
}

/** Reads fields. @throws {ProtocolError} for what is none */
export function decodeFields(payload: Uint8Array): Fields {
  let text;
  try {
    text = decoder.decode(payload);
  } catch {
    throw new ProtocolError("the guest's agent has sent a text that is not UTF-8");
  }
  if (text !== "" && !text.endsWith("\0")) {
    throw new ProtocolError("the guest's agent has sent a field without an end");
  }
  const fields = new Map<string, string>();
  for (const field of text.split("\0").slice(0, -1)) {
    if (field === "") throw new ProtocolError("the guest's agent has sent a field without a name");
    if (!fields.has(field[0])) fields.set(field[0], field.slice(1));
  }
  return new Fields(fields);
}

/** The fields that the guest has sent. */
export class Fields {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** A text; undefined where there is none. */
  get(letter: string): string | undefined {
    return this.#values.get(letter);
  }

  /** A text that has to be there. @throws {ProtocolError} */
  text(letter: string): string {
    const value = this.#values.get(letter);
    if (value === undefined) throw new ProtocolError(`the guest's agent leaves out "${letter}"`);
    return value;
  }

  /** A number that has to be there, from 0 to `most`. @throws {ProtocolError} */
  number(letter: string, radix: 8 | 10 = 10, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.text(letter);
    const number = (radix === 8 ? /^[0-7]{1,20}$/ : /^[0-9]{1,20}$/).test(value)
      ? parseInt(value, radix)
      : NaN;
    if (!(number <= most)) {
      throw new ProtocolError(`the guest's agent gives ${JSON.stringify(value)} for "${letter}"`);
    }
    return number;
  }
}

/**
 * What is said over a machine's control socket.
 *
 * A connection is for one request: a line of JSON, `{ "denovisor": 1, "do": "info" }`. It is answered with one line,
 * `{ "ok": … }` or `{ "error": { "kind": …, "message": … } }`, and closed. Behind the answer to `console` and `exec`,
 * both sides send frames (frames.ts) until the server sends {@linkcode Frames.end} or the client closes.
 *
 * A client that closes a connection before its request is done takes it back, as far as that's possible: a command
 * that `exec` has started is killed.
 *
 * The number {@linkcode VERSION} changes when an old client would misunderstand a new server or the other way around.
 * What is added beside that is left alone by who does not know it.
 * @module
 */
import * as v from "valibot";
import type { StatusError } from "../errors.ts";
import { EXIT_HOST, EXIT_NO_AGENT, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND } from "../exit_status.ts";
import { ProtocolError } from "./frames.ts";

/** The version of this protocol. */
export const VERSION = 1;

/** The most bytes of a request's line: as many as Linux takes for one argument (MAX_ARG_STRLEN), twice. */
export const REQUEST_LIMIT = 256 << 10;

/** The most bytes of an answer's line. */
export const ANSWER_LIMIT = 4 << 20;

/** The types of frames, with their payloads. */
export const Frames = {
  /** To the server: bytes of input. */
  input: 0,
  /** To the server: the input has ended. Empty. */
  inputEnd: 1,
  /** To the server: the terminal's size now, columns and rows (two bytes each, little-endian). */
  resize: 2,
  /** To the server: a signal for the command, its number (one byte). */
  signal: 3,
  /** From the server: what the command wrote to standard output, or the guest to its console. */
  output: 16,
  /** From the server: what the command wrote to standard error. */
  errorOutput: 17,
  /** From the server: so many bytes of input were taken (four bytes, little-endian). */
  credit: 18,
  /** From the server: the last frame, with a JSON text: an {@linkcode ExecEnd}, or an error. */
  end: 19,
} as const;

const size = v.object({
  columns: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff)),
  rows: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff)),
});

const requestSchema = v.variant("do", [
  v.object({ do: v.literal("info") }),
  v.object({ do: v.literal("stats") }),
  v.object({ do: v.literal("pause") }),
  v.object({ do: v.literal("resume") }),
  v.object({
    do: v.literal("stop"),
    /** Whether the guest isn't asked. */
    force: v.boolean(),
    /** How long a guest that was asked may take, in milliseconds. */
    timeout: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1)),
  }),
  v.object({ do: v.literal("console") }),
  v.object({
    do: v.literal("exec"),
    command: v.pipe(v.array(v.string()), v.minLength(1)),
    /** `NAME=VALUE`, each. */
    env: v.array(v.string()),
    cwd: v.optional(v.string()),
    user: v.optional(v.string()),
    /** The terminal that the command gets, if it gets one. */
    tty: v.optional(size),
    /** Whether input will be sent; else the command's input is empty. */
    stdin: v.boolean(),
  }),
]);

/** What a machine is asked for. */
export type Request = v.InferOutput<typeof requestSchema>;
/** A request of one kind. */
export type RequestOf<K extends Request["do"]> = Extract<Request, { do: K }>;

const infoSchema = v.object({
  name: v.string(),
  /** The process that runs the machine. */
  pid: v.number(),
  state: v.picklist(["starting", "running", "paused", "ending"]),
  /** The kernel's file, or what it's called. */
  kernel: v.string(),
  cpus: v.number(),
  /** The guest's RAM, in bytes. */
  memory: v.number(),
  /** Since the process began with the machine, in milliseconds. */
  uptime: v.number(),
  /** Whether it was started with what takes commands from `exec`. */
  agent: v.boolean(),
});

/** What a machine is. */
export type MachineInfo = v.InferOutput<typeof infoSchema>;
/** What a machine does. */
export type MachineState = MachineInfo["state"];

const counters = v.record(v.string(), v.number());

const statsSchema = v.object({
  name: v.string(),
  state: infoSchema.entries.state,
  /** In milliseconds. */
  uptime: v.number(),
  /** For each vCPU, how often it left the guest, by the exit's name. */
  exits: v.array(counters),
  /** The counters of the virtio devices, by the devices' names. */
  devices: v.record(v.string(), counters),
  process: v.object({
    pid: v.number(),
    /** CPU time of all threads, in milliseconds: in user mode and the guest, and in the host's kernel. */
    user: v.number(),
    system: v.number(),
    /** What of the host's memory it has now, the guest's part of that included, and the most that it had; in bytes. */
    resident: v.number(),
    peak: v.number(),
  }),
});

/** What a machine has done so far. */
export type MachineStats = v.InferOutput<typeof statsSchema>;

const stopSchema = v.object({
  /** How it ended: by itself when it was asked, or at once. */
  how: v.picklist(["powered-off", "stopped"]),
});

/** How a machine was stopped. */
export type Stopped = v.InferOutput<typeof stopSchema>;

const nothing = v.object({});

const answers = {
  info: infoSchema,
  stats: statsSchema,
  pause: nothing,
  resume: nothing,
  stop: stopSchema,
  console: nothing,
  exec: nothing,
} as const;

/** What a request is answered with. */
export type AnswerOf<K extends Request["do"]> = v.InferOutput<typeof answers[K]>;

/** Why a request is not granted. */
export const ERROR_KINDS = [
  /** The other side speaks another version of the protocol. */
  "version",
  /** It's no request that can be understood. */
  "request",
  /** The machine is not in a state for it. */
  "state",
  /** The machine has ended before it was done. */
  "ended",
  /** The guest has no agent, or the agent does not answer. */
  "no-agent",
  /** The command can't be started in the guest: there's none of that name, for one. */
  "not-found",
  "not-executable",
  /** It did not work out. */
  "failed",
] as const;

/** One of {@linkcode ERROR_KINDS}. */
export type ErrorKind = typeof ERROR_KINDS[number];

/** A request was not granted. */
export class ControlError extends Error implements StatusError {
  override readonly name = "ControlError";
  readonly exitStatus: number;

  constructor(readonly kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitStatus = STATUSES[kind];
  }
}

/** The exit status of each kind of error. */
const STATUSES: Readonly<Record<ErrorKind, number>> = {
  version: EXIT_HOST,
  request: EXIT_HOST,
  state: EXIT_HOST,
  ended: EXIT_HOST,
  "no-agent": EXIT_NO_AGENT,
  "not-found": EXIT_NOT_FOUND,
  "not-executable": EXIT_NOT_EXECUTABLE,
  failed: EXIT_HOST,
};

const refusalSchema = v.object({
  error: v.object({ kind: v.fallback(v.picklist(ERROR_KINDS), "failed"), message: v.string() }),
});

/** How a command of `exec` ended: its status, or the signal that killed it. */
const execEndSchema = v.object({
  code: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  signal: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(127))),
});

/** How a command of `exec` ended. */
export type ExecEnd = v.InferOutput<typeof execEndSchema>;

/** A request as a line. */
export function requestLine(request: Request): object {
  return { denovisor: VERSION, ...request };
}

/** Understands a request's line. @throws {ControlError} */
export function parseRequest(line: string): Request {
  const value = json(line);
  if (!v.is(v.object({ denovisor: v.number() }), value)) {
    throw new ControlError("request", "it is no request of denovisor");
  }
  if (value.denovisor !== VERSION) {
    throw new ControlError(
      "version",
      `the machine speaks version ${VERSION} of the control protocol, not ${value.denovisor}: ` +
        "use the denovisor that runs it",
    );
  }
  const result = v.safeParse(requestSchema, value);
  if (result.success) return result.output;
  throw new ControlError("request", `it can't be understood: ${result.issues[0].message}`);
}

/** Understands the line that answers a request. @throws {ControlError} the request was refused, or so is the answer */
export function parseAnswer<K extends Request["do"]>(kind: K, line: string): AnswerOf<K> {
  const value = json(line);
  throwRefusal(value);
  const result = v.safeParse(v.object({ ok: answers[kind] }), value);
  if (!result.success) {
    throw new ProtocolError(
      `the machine's answer can't be understood: ${result.issues[0].message}`,
    );
  }
  // The schema was chosen by the request.
  return result.output.ok as AnswerOf<K>;
}

/** Understands the payload of a last frame. @throws {ControlError} what ended the stream */
export function parseEnd(payload: Uint8Array): ExecEnd {
  const value = json(new TextDecoder().decode(payload));
  throwRefusal(value);
  const result = v.safeParse(execEndSchema, value);
  if (result.success) return result.output;
  throw new ProtocolError(`the command's end can't be understood: ${result.issues[0].message}`);
}

/** An error as an answer, or as the payload of a last frame. */
export function refusal(error: unknown): object {
  const kind = error instanceof ControlError ? error.kind : "failed";
  const message = error instanceof Error ? error.message : String(error);
  return { error: { kind, message } };
}

function throwRefusal(value: unknown): void {
  if (!v.is(refusalSchema, value)) return;
  const { kind, message } = v.parse(refusalSchema, value).error;
  throw new ControlError(kind, message);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ControlError("request", "it is not JSON", { cause });
  }
}

/** A terminal's size as a payload. */
export function encodeSize({ columns, rows }: { columns: number; rows: number }): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, Math.min(columns, 0xffff), true);
  view.setUint16(2, Math.min(rows, 0xffff), true);
  return new Uint8Array(view.buffer);
}

/** @throws {ProtocolError} */
export function decodeSize(payload: Uint8Array): { columns: number; rows: number } {
  const view = viewOf(payload, 4);
  return { columns: view.getUint16(0, true), rows: view.getUint16(2, true) };
}

/** A number of bytes as a payload. */
export function encodeCredit(bytes: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bytes, true);
  return new Uint8Array(view.buffer);
}

/** @throws {ProtocolError} */
export function decodeCredit(payload: Uint8Array): number {
  return viewOf(payload, 4).getUint32(0, true);
}

/** A signal's number. @throws {ProtocolError} */
export function decodeSignal(payload: Uint8Array): number {
  const signal = viewOf(payload, 1).getUint8(0);
  if (signal >= 1 && signal <= 64) return signal;
  throw new ProtocolError(`there is no signal ${signal}`);
}

function viewOf(payload: Uint8Array, length: number): DataView {
  if (payload.length !== length) {
    throw new ProtocolError(`a frame has ${payload.length} bytes instead of ${length}`);
  }
  return new DataView(payload.buffer, payload.byteOffset, length);
}

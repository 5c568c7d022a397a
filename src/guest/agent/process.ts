/**
 * A command that runs in a guest.
 * @module
 */
import { constants } from "node:os";
import { Call, type Link, unexpected } from "./call.ts";
import type { Channel } from "./channel.ts";
import { commandFields, commandStreams, type SpawnOptions, terminalSize } from "./command.ts";
import { GuestError } from "./errors.ts";
import { decodeFields, FrameType, ProtocolError, Role } from "./protocol.ts";

/** How a command has ended. */
export interface GuestStatus {
  /** Whether its exit code is 0. */
  readonly success: boolean;
  /** Its exit code; 128 and the signal's number for one that a signal has ended, as a shell tells it. */
  readonly code: number;
  /** The signal that has ended it. */
  readonly signal: Deno.Signal | null;
}

const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as Deno.Signal]),
);
/** Of Linux. */
const MAX_SIGNAL = 64;

/**
 * A command that runs in a guest: its streams, its status, and what can be done to it.
 *
 * Its streams hold it up as pipes do: who does not read stops it once the buffers between are full. A process that it
 * leaves behind with its standard output keeps that open. When this is disposed of while the command runs, the command
 * is ended, and with it all that it has started.
 */
export class GuestProcess implements AsyncDisposable {
  /** Its process id in the guest. */
  readonly pid: number;
  /**
   * How it has ended, once it has. Rejects at once with {@linkcode GuestGoneError} when the guest is gone, and with the
   * reason when it's given up.
   */
  readonly status: Promise<GuestStatus>;
  readonly #call: Call;
  readonly #control: Channel;
  readonly #stdin: WritableStream<Uint8Array> | undefined;
  readonly #stdout: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  readonly #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #hasEnded = false;
  /** How many of its streams to the host, and its status, are still to come. */
  #open: number;

  private constructor(
    call: Call,
    control: Channel,
    pid: number,
    streams: ReadonlyMap<Role, Channel>,
  ) {
    this.#call = call;
    this.#control = control;
    this.pid = pid;
    this.#open = 1 + [Role.stdout, Role.stderr].filter((role) => streams.has(role)).length;
    const input = streams.get(Role.stdin);
    this.#stdin = input && this.#writable(input);
    this.#stdout = this.#readable(streams.get(Role.stdout));
    this.#stderr = this.#readable(streams.get(Role.stderr));
    this.status = this.#watch();
    this.status.catch(() => {});
  }

  /** Starts one; see {@linkcode Guest.spawn}. */
  static async start(
    link: Link,
    command: readonly string[],
    options: SpawnOptions,
  ): Promise<GuestProcess> {
    const roles = commandStreams(options);
    const fields = commandFields(command, options);
    const what = `run ${JSON.stringify(fields[0][1])}`;
    const { call, control, streams } = await Call.open(
      link,
      options,
      what,
      FrameType.exec,
      fields,
      roles,
    );
    try {
      const started = await call.expect(control, FrameType.started);
      const byRole = new Map(roles.map((role, index) => [role, streams[index]]));
      return new GuestProcess(call, control, started.number("p", 10, 2 ** 31), byRole);
    } catch (error) {
      call.fail(error);
      throw error;
    }
  }

  /** What it reads. Closing it is the end of its input. @throws {TypeError} it has none */
  get stdin(): WritableStream<Uint8Array> {
    return has(this.#stdin, "stdin");
  }

  /** What it prints. @throws {TypeError} it has none */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return has(this.#stdout, "stdout");
  }

  /** What it says of its errors. @throws {TypeError} it has none */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return has(this.#stderr, "stderr");
  }

  /** Sends a signal to it and those in its process group. Does nothing once it has ended. */
  async kill(signal: Deno.Signal | number = "SIGTERM"): Promise<void> {
    const number = typeof signal === "number" ? signal : constants.signals[signal as never];
    if (!Number.isInteger(number) || number < 0 || number > MAX_SIGNAL) {
      throw new TypeError(`there is no signal ${signal}`);
    }
    await this.#order(FrameType.signal, "s", `${number}`);
  }

  /** Changes the size of its terminal. Does nothing once it has ended. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#order(FrameType.resize, "t", terminalSize({ columns, rows }));
  }

  /** Ends it, if it still runs, and closes its streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#call.close();
    await this.status.catch(() => {});
  }

  /** Ends it for a reason. */
  fail(reason: unknown): void {
    this.#call.fail(reason);
  }

  async #order(type: number, letter: string, value: string): Promise<void> {
    if (this.#hasEnded) return;
    try {
      await this.#call.guard(this.#control.sendFields(type, [[letter, value]]));
    } catch (error) {
      // It may have ended just now.
      if (!this.#hasEnded) throw error;
    }
  }

  async #watch(): Promise<GuestStatus> {
    try {
      const frame = await this.#call.read(this.#control);
      if (frame.type !== FrameType.exited) throw unexpected(frame);
      const fields = decodeFields(frame.payload);
      this.#hasEnded = true;
      this.#finished();
      if (fields.get("s") === undefined) {
        const code = fields.number("c", 10, 255);
        return { success: code === 0, code, signal: null };
      }
      const number = fields.number("s", 10, MAX_SIGNAL);
      const signal = SIGNAL_NAMES.get(number) ?? `SIG${number}` as Deno.Signal;
      return { success: false, code: 128 + number, signal };
    } catch (error) {
      this.#hasEnded = true;
      this.#call.fail(error);
      throw error;
    }
  }

  /** One of those that are waited for has come to its end; after the last, the guest has nothing more to say. */
  #finished(): void {
    if (--this.#open === 0) this.#call.close();
  }

  #readable(channel: Channel | undefined): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    if (channel === undefined) return undefined;
    const close = () => {
      channel.close();
      this.#finished();
    };
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const frame = await this.#call.read(channel);
        if (frame.type === FrameType.data && frame.payload.length > 0) {
          return controller.enqueue(frame.payload);
        }
        if (frame.type !== FrameType.end) {
          const error = frame.type === FrameType.data
            ? new ProtocolError("the guest's agent has sent nothing as data")
            : unexpected(frame);
          this.#call.fail(error);
          throw error;
        }
        close();
        controller.close();
      },
      cancel: close,
    }, { highWaterMark: 0 });
  }

  #writable(channel: Channel): WritableStream<Uint8Array> {
    // The guest says here that nobody reads any more, and else nothing.
    let isOver = false;
    const refusal = channel.read().then((frame) => {
      isOver = frame?.type === FrameType.end;
      channel.close();
    }, () => {});
    const tell = async (writing: () => Promise<void>) => {
      if (isOver) throw unread();
      try {
        await writing();
      } catch (error) {
        // Why it failed may be on its way.
        await refusal;
        throw isOver || this.#hasEnded ? unread() : await this.#call.meaning(error);
      }
    };
    return new WritableStream<Uint8Array>({
      write: (bytes) => tell(() => channel.sendData(FrameType.data, bytes)),
      close: async () => {
        if (!isOver) await tell(() => channel.send(FrameType.end, new Uint8Array()));
      },
      abort: () => channel.close(),
    });
  }
}

/** Nobody reads what is written to a command. */
function unread(): GuestError {
  return new GuestError("the command reads no more");
}

function has<T>(stream: T | undefined, name: string): T {
  if (stream === undefined) {
    throw new TypeError(`the command's ${name} is not connected to the host`);
  }
  return stream;
}

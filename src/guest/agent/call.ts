/**
 * One request to the agent: its connections, what may end it early, and what its failure means.
 * @module
 */
import { type Duration, milliseconds } from "../duration.ts";
import { Channel } from "./channel.ts";
import { GuestError, GuestGoneError, GuestRefusedError, GuestTimeoutError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import {
  decodeFields,
  encodeFields,
  type Field,
  type Fields,
  FrameType,
  hello,
  MAX_REQUEST,
  ProtocolError,
  Role,
  TOKEN_BYTES,
} from "./protocol.ts";
import type { AgentConnection, AgentTransport } from "./transport.ts";

/** What may end a request early. */
export interface CallOptions {
  /** Gives it up with the signal's reason, and ends what it has started in the guest. */
  readonly signal?: AbortSignal;
  /** The most that it may take, from now on; without it, no limit. */
  readonly timeout?: Duration;
}

/** How many requests are on their way to the agent at once, each with up to four connections; others wait. */
const MAX_OPENING = 64;

/** How long a connection that broke waits for the machine to say why. */
const REASON_MS = 200;

/** The way to one guest's agent, and all that is asked of it. */
export class Link {
  readonly transport: AgentTransport;
  readonly ready: Promise<void>;
  readonly #calls = new Set<Call>();
  #end: GuestGoneError | undefined;
  #opening = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(transport: AgentTransport) {
    this.transport = transport;
    const ended = transport.ended.then((reason) => {
      this.#end = new GuestGoneError(`the guest is gone: ${reason.message}`, { cause: reason });
      for (const call of [...this.#calls]) call.fail(this.#end);
      return this.#end;
    });
    this.ready = Promise.race([
      Promise.resolve(transport.ready).then(() => {}, (error) => this.#never(error)),
      ended.then((end) => Promise.reject(end)),
    ]);
    // Whoever does not wait for it learns of the end by what is asked.
    this.ready.catch(() => {});
  }

  /** Why nothing can be asked any more. */
  get end(): GuestGoneError | undefined {
    return this.#end;
  }

  /** The agent will not be ready; the machine's end may be the reason. */
  async #never(cause: unknown): Promise<never> {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw await this.broken(cause, `the guest's agent does not come up: ${why}`);
  }

  add(call: Call): void {
    this.#calls.add(call);
  }

  remove(call: Call): void {
    this.#calls.delete(call);
  }

  /** Waits until there's room for one more request on its way. Each is to {@linkcode leave} afterwards. */
  async enter(): Promise<void> {
    if (this.#opening < MAX_OPENING) this.#opening++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Makes room for the next. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#opening--;
    else next();
  }

  /** What a broken connection means; waits a moment for the machine, which may be the reason. */
  async broken(
    cause?: unknown,
    problem = "the guest's agent has ended the connection",
  ): Promise<Error> {
    if (this.#end === undefined) {
      let timer;
      const pause = new Promise((resolve) => void (timer = setTimeout(resolve, REASON_MS)));
      await Promise.race([this.transport.ended, pause]);
      clearTimeout(timer);
      // What follows the promise above has its turn before this goes on.
      await Promise.resolve();
    }
    return this.#end ?? new GuestGoneError(problem, { cause });
  }
}

/** One request. It is over when it is closed, and closed when it fails. */
export class Call implements Disposable {
  readonly #link: Link;
  readonly #failed = Promise.withResolvers<never>();
  readonly #channels: Channel[] = [];
  readonly #cleanup: (() => void)[] = [];
  #reason: { readonly error: unknown } | undefined;
  #isClosed = false;

  private constructor(link: Link, { signal, timeout }: CallOptions, what: string) {
    this.#link = link;
    this.#failed.promise.catch(() => {});
    link.add(this);
    this.#cleanup.push(() => link.remove(this));
    if (timeout !== undefined) {
      const late = () => this.fail(new GuestTimeoutError(`not within ${text(timeout)}: ${what}`));
      const timer = setTimeout(late, milliseconds(timeout));
      this.#cleanup.push(() => clearTimeout(timer));
    }
    if (signal !== undefined) {
      const abort = () => this.fail(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      this.#cleanup.push(() => signal.removeEventListener("abort", abort));
    }
  }

  /**
   * Asks the agent for something, once it is ready.
   *
   * @param what is asked, for the message of a timeout
   * @param streams what it needs beside the first connection
   * @throws {GuestGoneError} no agent, or no machine
   * @throws {GuestTimeoutError} or the signal's reason
   */
  static async open(
    link: Link,
    options: CallOptions,
    what: string,
    type: number,
    fields: Iterable<Field>,
    streams: readonly Role[] = [],
  ): Promise<{ readonly call: Call; readonly control: Channel; readonly streams: Channel[] }> {
    options.signal?.throwIfAborted();
    if (link.end !== undefined) throw link.end;
    const request = encodeFields(fields);
    if (request.length > MAX_REQUEST) {
      throw new GuestRefusedError("E2BIG", what, "");
    }
    const call = new Call(link, options, what);
    let entered: Promise<void> | undefined;
    try {
      await Promise.race([link.ready, call.#failed.promise]);
      entered = link.enter();
      await Promise.race([entered, call.#failed.promise]);
      const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
      const [control, ...others] = await Promise.all(
        [Role.request, ...streams].map(async (role) => {
          const channel = await call.#connect();
          await call.guard(channel.write(hello(role, token, role === Role.request ? streams : [])));
          return channel;
        }),
      );
      await call.guard(control.send(type, request));
      return { call, control, streams: others };
    } catch (error) {
      call.fail(error);
      throw error;
    } finally {
      // Also one that was given up while it waited has its turn some time.
      entered?.then(() => link.leave());
    }
  }

  async #connect(): Promise<Channel> {
    let attempt: Promise<AgentConnection>;
    let isLate = false;
    try {
      attempt = this.#link.transport.connect();
      // It may come when nobody wants it any more.
      attempt.then((connection) => isLate && connection.close(), () => {});
      const connection = await Promise.race([attempt, this.#failed.promise]);
      const channel = new Channel(connection);
      if (this.#isClosed) channel.close();
      this.#channels.push(channel);
      return channel;
    } catch (error) {
      isLate = true;
      if (this.#reason !== undefined) throw this.#reason.error;
      const why = error instanceof Error ? error.message : String(error);
      throw await this.#link.broken(error, `the guest's agent can't be reached: ${why}`);
    }
  }

  /** Waits for something of a connection. @throws what has ended the request, if that is why it failed */
  async guard<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw await this.meaning(error);
    }
  }

  /** What it means that a connection of this request's has failed. */
  async meaning(error: unknown): Promise<unknown> {
    if (this.#reason !== undefined) return this.#reason.error;
    if (error instanceof ProtocolError || error instanceof TypeError) return error;
    return await this.#link.broken(error);
  }

  /**
   * The next frame. Where the agent has refused, that is thrown.
   *
   * @throws {GuestRefusedError} {@linkcode GuestGoneError} {@linkcode ProtocolError} and what has ended the request
   */
  async read(channel: Channel): Promise<Frame> {
    const frame = await this.guard(channel.read());
    if (frame === undefined) throw this.#reason?.error ?? await this.#link.broken();
    if (frame.type !== FrameType.error) return frame;
    const fields = decodeFields(frame.payload);
    throw new GuestRefusedError(fields.text("c"), fields.text("w"), fields.text("p"));
  }

  /** The next frame's fields, which has to be of one type. @throws as {@linkcode read} */
  async expect(channel: Channel, type: number): Promise<Fields> {
    const frame = await this.read(channel);
    if (frame.type !== type) throw unexpected(frame);
    return decodeFields(frame.payload);
  }

  /** Ends it for a reason, which everybody who waits for it is given. */
  fail(reason: unknown): void {
    if (this.#isClosed) return;
    this.#reason = { error: reason };
    this.close();
    this.#failed.reject(reason);
  }

  /** Ends it. What the guest still does for it is ended, too. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // What still waits for something of it is told.
    this.#reason ??= { error: new GuestError("it was asked for no longer") };
    for (const undo of this.#cleanup) undo();
    for (const channel of this.#channels) channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A frame that has no business where it came. */
export function unexpected(frame: Frame): ProtocolError {
  return new ProtocolError(`the guest's agent has sent a frame of type ${frame.type} out of turn`);
}

function text(timeout: Duration): string {
  return typeof timeout === "number" ? `${timeout}ms` : timeout;
}

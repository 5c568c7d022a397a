/**
 * The way to a guest's agent through its socket device, whose host's side is Unix sockets by Firecracker's convention:
 * the host connects to `PATH` and asks for a port; the guest's own connections to port P arrive at `PATH_P`.
 *
 * | the guest controls                     | what bounds it                                          |
 * | -------------------------------------- | ------------------------------------------------------- |
 * | whether it answers                     | the device gives up after two seconds                   |
 * | who in it says that it is ready        | it is believed; what follows from it is only a connection |
 * | how often, and how long it takes to say | 8 at once, each for five seconds                       |
 *
 * Source: Firecracker, docs/vsock.md; devices/virtio/vsock.
 * @module
 */
import { Channel } from "./channel.ts";
import {
  AGENT_PORT,
  decodeFields,
  FrameType,
  PROTOCOL_VERSION,
  ProtocolError,
} from "./protocol.ts";
import type { AgentConnection, AgentTransport } from "./transport.ts";

/** The longest `OK <port>\n`. */
const MAX_ANSWER = 32;
/** How long a guest has to say that it is ready. */
const NOTICE_MS = 5000;
/** How many may say so at once. */
const MAX_NOTICES = 8;

/** A connection to a port of a guest's. */
export class VsockConnection implements AgentConnection, Disposable {
  readonly #socket: Deno.UnixConn;
  /** What came behind the answer to the host's request. */
  #rest: Uint8Array<ArrayBuffer>;

  /** @param rest is read before what the socket has */
  constructor(socket: Deno.UnixConn, rest: Uint8Array<ArrayBuffer>) {
    this.#socket = socket;
    this.#rest = rest;
  }

  /** Reads up to as many bytes as there's room for; null at the end. */
  async read(into: Uint8Array<ArrayBuffer>): Promise<number | null> {
    if (this.#rest.length === 0) return await this.#socket.read(into);
    const count = Math.min(into.length, this.#rest.length);
    into.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  /** Writes some of the bytes. @returns how many */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return await this.#socket.write(bytes);
  }

  /** Sends no more. The guest reads the end, and may still send. */
  async closeWrite(): Promise<void> {
    await this.#socket.closeWrite();
  }

  /** Closes it both ways. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Connects to a port of a guest's.
 *
 * @param path the socket device's `uds`
 * @param port that somebody in the guest listens at
 * @throws {Deno.errors.ConnectionRefused} nobody does, or there is no machine
 */
export async function connectVsock(path: string, port: number): Promise<VsockConnection> {
  const socket = await Deno.connect({ transport: "unix", path });
  try {
    const request = new TextEncoder().encode(`CONNECT ${port}\n`);
    for (let at = 0; at < request.length;) at += await socket.write(request.subarray(at));
    const answer = new Uint8Array(MAX_ANSWER);
    for (let have = 0; have < answer.length;) {
      const count = await socket.read(answer.subarray(have));
      if (count === null) break;
      have += count;
      const end = answer.subarray(0, have).indexOf(0x0a);
      if (end < 0) continue;
      if (!/^OK \d+$/.test(new TextDecoder().decode(answer.subarray(0, end)))) break;
      return new VsockConnection(socket, answer.slice(end + 1, have));
    }
  } catch (error) {
    socket.close();
    throw refused(path, port, error);
  }
  socket.close();
  throw refused(path, port);
}

function refused(path: string, port: number, cause?: unknown): Error {
  const message = `nobody listens at port ${port} of the guest behind ${path}`;
  return new Deno.errors.ConnectionRefused(message, { cause });
}

/** Waits for guests to say that their agents listen. */
export class ReadyListener implements Disposable {
  readonly #listener: Deno.UnixListener;
  readonly #path: string;
  readonly #open = new Set<Deno.UnixConn>();
  #next = Promise.withResolvers<void>();

  /** @param path is created, and removed at the end */
  constructor(path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#path = path;
    this.#next.promise.catch(() => {});
    this.#accept();
  }

  /** Resolves at the next notice: at the first when it's called at once. Rejects when this is closed before. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  /** Waits no longer, and removes the socket. */
  close(): void {
    try {
      this.#listener.close();
      Deno.removeSync(this.#path);
    } catch (error) {
      // It is closed already, or its folder is gone.
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.NotFound)) {
        throw error;
      }
    }
    for (const connection of this.#open) close(connection);
    this.#next.reject(new Deno.errors.Interrupted("nobody waits for the guest any more"));
    this.#next.promise.catch(() => {});
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      if (this.#open.size >= MAX_NOTICES) close(connection);
      else this.#hear(connection);
    }
  }

  async #hear(connection: Deno.UnixConn): Promise<void> {
    this.#open.add(connection);
    const timer = setTimeout(() => close(connection), NOTICE_MS);
    try {
      const frame = await new Channel(connection).read();
      if (frame?.type !== FrameType.ready) return;
      if (decodeFields(frame.payload).number("v") !== PROTOCOL_VERSION) return;
      const { resolve } = this.#next;
      this.#next = Promise.withResolvers();
      this.#next.promise.catch(() => {});
      resolve();
    } catch (error) {
      // Who says nothing that can be understood has not said that it is ready.
      if (!(error instanceof ProtocolError || error instanceof Error)) throw error;
    } finally {
      clearTimeout(timer);
      this.#open.delete(connection);
      close(connection);
    }
  }
}

function close(connection: Deno.UnixConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Listens for the agent's notice that it can be connected to. To be called before the guest is started.
 *
 * @param path the socket device's `uds`
 * @throws {Deno.errors.AddrInUse} somebody else does
 */
export function listenForReady(path: string, port: number = AGENT_PORT): ReadyListener {
  return new ReadyListener(`${path}_${port}`);
}

/** The agent behind a socket device. Made before the guest is started, so that its notice is heard. */
export class VsockTransport implements AgentTransport, Disposable {
  readonly ended: Promise<Error>;
  readonly ready: Promise<void>;
  readonly #path: string;
  readonly #port: number;
  readonly #listener: ReadyListener;

  /**
   * @param path the socket device's `uds`
   * @param ended resolves with the reason when the machine is gone
   */
  constructor(path: string, ended: Promise<Error>, port: number = AGENT_PORT) {
    this.#path = path;
    this.#port = port;
    this.ended = ended;
    this.#listener = listenForReady(path);
    this.ready = this.#listener.next();
    this.ready.catch(() => {});
  }

  /** Resolves when the guest's agent listens anew, as after a reset. */
  again(): Promise<void> {
    return this.#listener.next();
  }

  /** Opens a connection to the agent. @throws {Deno.errors.ConnectionRefused} it does not listen */
  connect(): Promise<AgentConnection> {
    return connectVsock(this.#path, this.#port);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

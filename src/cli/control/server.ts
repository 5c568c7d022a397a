/**
 * The server of a machine's control socket, beside the machine in its process.
 *
 * | what a client controls (it is the machine's owner, or root) | what bounds it |
 * | --- | --- |
 * | being one at all | the folder's and the socket's permissions; peer.ts, should those have been changed |
 * | how many connect | {@linkcode CONNECTIONS}; others are closed |
 * | how long it takes for its request | {@linkcode REQUEST_MS} |
 * | a line's and a frame's length | frames.ts |
 * | input that nobody takes | credit.ts |
 * | how slowly it reads | its own connection waits; the console's output for it is bounded, and dropped |
 * @module
 */
import type { Controlled } from "./controlled.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import { Peers } from "./peer.ts";
import type { Claim } from "./places.ts";
import { parseRequest, refusal, type Request, REQUEST_LIMIT } from "./protocol.ts";
import { serveConsole, serveExec } from "./streams.ts";

/** The most connections at a time. */
const CONNECTIONS = 64;
/** How long a client may take for its request, in milliseconds. */
const REQUEST_MS = 10_000;
/** How long answers may take to get out at the end, in milliseconds. */
const DRAIN_MS = 1000;

/** Serves a machine to whoever may open its socket, until it is disposed of. */
export class ControlServer implements AsyncDisposable {
  readonly #claim: Claim;
  readonly #machine: Controlled;
  readonly #peers: Peers;
  readonly #open = new Map<Deno.UnixConn, Promise<void>>();
  readonly #over = new AbortController();
  readonly #unload: () => void;

  /** Takes the claim over, and listens. */
  constructor(claim: Claim, machine: Controlled) {
    this.#claim = claim;
    this.#machine = machine;
    this.#peers = new Peers(claim.listener.addr.path);
    // Of Deno.exit, when a second signal has come.
    this.#unload = () => claim[Symbol.dispose]();
    globalThis.addEventListener("unload", this.#unload);
    void this.#listen();
  }

  /** Gives the name back and ends all connections, when what is on its way is sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    globalThis.removeEventListener("unload", this.#unload);
    this.#claim[Symbol.dispose]();
    this.#over.abort();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, DRAIN_MS);
    await Promise.race([Promise.all(this.#open.values()), late.promise]);
    clearTimeout(timer);
    const left = [...this.#open];
    for (const [connection] of left) close(connection);
    await Promise.all(left.map(([, served]) => served));
  }

  async #listen(): Promise<void> {
    for (;;) {
      let connection: Deno.UnixConn;
      try {
        connection = await this.#claim.listener.accept();
      } catch (error) {
        // EMFILE and the like pass; a listener that was closed does not.
        if (error instanceof Deno.errors.BadResource || this.#over.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      if (this.#open.size >= CONNECTIONS) {
        connection.close();
        continue;
      }
      const served = this.#serve(connection).finally(() => {
        close(connection);
        this.#open.delete(connection);
      });
      this.#open.set(connection, served);
    }
  }

  /** Serves one client. Never rejects: a client that goes away concerns nobody else. */
  async #serve(connection: Deno.UnixConn): Promise<void> {
    const [reader, writer] = [new FrameReader(connection), new FrameWriter(connection)];
    try {
      const stranger = this.#strangeness();
      // A connection that is closed with something unread takes along what was answered.
      const request = await this.#request(connection, reader);
      if (stranger !== undefined) throw stranger;
      if (request !== undefined) await this.#answer(request, reader, writer);
    } catch (error) {
      await writer.line(refusal(error)).catch(() => {});
    }
  }

  /** Why whoever has connected last may not ask for anything; undefined for those who may. */
  #strangeness(): Error | undefined {
    try {
      this.#peers.checkNewest();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** The request; undefined where the client has gone without any, as those do that see whether we are there. */
  async #request(connection: Deno.UnixConn, reader: FrameReader): Promise<Request | undefined> {
    const timer = setTimeout(() => close(connection), REQUEST_MS);
    const stop = () => close(connection);
    this.#over.signal.addEventListener("abort", stop);
    try {
      const line = await reader.line(REQUEST_LIMIT);
      return line === undefined ? undefined : parseRequest(line);
    } finally {
      clearTimeout(timer);
      this.#over.signal.removeEventListener("abort", stop);
    }
  }

  async #answer(request: Request, reader: FrameReader, writer: FrameWriter): Promise<void> {
    const machine = this.#machine;
    const { signal } = this.#over;
    switch (request.do) {
      case "info":
        return await writer.line({ ok: machine.info() });
      case "stats":
        return await writer.line({ ok: machine.stats() });
      case "pause":
        await machine.pause();
        return await writer.line({ ok: {} });
      case "resume":
        await machine.resume();
        return await writer.line({ ok: {} });
      case "stop":
        return await writer.line({ ok: await machine.stop(request) });
      case "console":
        await writer.line({ ok: {} });
        return await serveConsole(machine.console, reader, writer, signal);
      case "exec": {
        await using command = await machine.spawn(request);
        await writer.line({ ok: {} });
        return await serveExec(command, reader, writer, signal);
      }
    }
  }
}

function close(connection: Deno.UnixConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

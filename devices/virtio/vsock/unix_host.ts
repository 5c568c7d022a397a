/**
 * The host's side on Unix sockets, by Firecracker's convention: clients connect to one path and say which port of
 * the guest they want; the guest's own connections to port P go to the path with `_P` behind it.
 *
 * All sockets are waited for through one epoll instance, so that a connection costs the event loop nothing while
 * it is quiet, and so that a socket whose other end sends no more can still be waited for to take more.
 *
 * Source: Firecracker, docs/vsock.md.
 * @module
 */
import {
  acceptUnix,
  bufferAddress,
  connectUnix,
  EAGAIN,
  Epoll,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  errnoName,
  Fd,
  type IoPoll,
  type IoScope,
  type IoTimer,
  IoVectors,
  POLLIN,
  readv,
  SHUT_RD,
  SHUT_WR,
  shutdownSocket,
  writev,
} from "../../../src/ffi/mod.ts";
import type { Host, HostClient, HostStream, StreamListener } from "./host.ts";

/** How many sockets' events are taken at once. */
const EVENTS = 128;
/** How many clients are taken at once. */
const ACCEPTS = 16;
/** How long no clients are taken after that has failed, in milliseconds. */
const ACCEPT_PAUSE_MS = 100;
/** The longest `OK <port>\n`. */
const MAX_CONFIRMATION = 16;

/** What the host's side needs of the device. */
export interface UnixHostOptions {
  /** The descriptor of the socket that listens, which stays the caller's. */
  readonly listener: number;
  /** The path that it listens at. */
  readonly path: string;
  readonly io: IoScope;
  /** A line for whoever runs the machine. */
  log(message: string): void;
}

/** A stream that nobody listens to yet. */
const NOBODY: StreamListener = { readable() {}, writable() {}, hungUp() {} };

/** The Unix sockets of one device. */
export class UnixHost implements Host {
  readonly #options: UnixHostOptions;
  readonly #client: HostClient;
  readonly #epoll = new Epoll(EVENTS, "the sockets of a vsock device");
  readonly #streams = new Map<number, UnixStream>();
  readonly #changes: IoPoll;
  readonly #clients: IoPoll;
  readonly #pause: IoTimer;
  #lastToken = 0;
  #listening = false;

  constructor(options: UnixHostOptions, client: HostClient) {
    const { io, listener } = options;
    this.#options = options;
    this.#client = client;
    this.#changes = io.poll(this.#epoll.raw, POLLIN, () => this.#serve());
    this.#clients = io.poll(listener, POLLIN, () => this.#accept());
    this.#pause = io.timer(() => this.listen(this.#listening));
    this.#changes.arm();
  }

  connect(port: number): HostStream | undefined {
    const raw = connectUnix(`${this.#options.path}_${port}`);
    return raw < 0 ? undefined : this.#add(raw);
  }

  listen(wanted: boolean): void {
    this.#listening = wanted;
    this.#pause.clear();
    if (wanted) this.#clients.arm();
    else this.#clients.disarm();
  }

  close(): void {
    this.listen(false);
    this.#changes.close();
    this.#clients.close();
    for (const stream of this.#streams.values()) stream.close();
    this.#epoll[Symbol.dispose]();
  }

  #accept(): void {
    for (let i = 0; i < ACCEPTS; i++) {
      const raw = acceptUnix(this.#options.listener);
      if (raw < 0) {
        if (raw === -EAGAIN) break;
        // Without descriptors or memory the client would be seen at once again.
        this.#options.log(`no client can be taken at ${this.#options.path}: ${errnoName(-raw)}`);
        this.#pause.set(ACCEPT_PAUSE_MS);
        break;
      }
      const stream = this.#add(raw);
      if (stream !== undefined) this.#client.accepted(stream);
    }
    if (this.#listening && !this.#pause.armed) this.#clients.arm();
    this.#client.served();
  }

  #add(raw: number): UnixStream | undefined {
    do this.#lastToken = (this.#lastToken + 1) >>> 0; while (this.#streams.has(this.#lastToken));
    const token = this.#lastToken;
    const fd = new Fd(raw, "a client of a vsock device");
    const result = this.#epoll.add(raw, EPOLLIN | EPOLLRDHUP, token);
    if (result < 0) {
      fd.close();
      this.#options.log(`a socket can't be waited for: ${errnoName(-result)}`);
      return undefined;
    }
    const stream = new UnixStream(fd, token, this.#epoll, this.#streams);
    this.#streams.set(token, stream);
    return stream;
  }

  #serve(): void {
    // For the next turn: what is taken now is gone by then, and what is not makes itself felt at once.
    this.#changes.arm();
    const count = this.#epoll.take();
    for (let i = 0; i < count; i++) {
      // Closed by what was done for an earlier one, perhaps.
      this.#streams.get(this.#epoll.token(i))?.happened(this.#epoll.events(i));
    }
    this.#client.served();
  }
}

/** One connected Unix socket. */
class UnixStream implements HostStream {
  listener: StreamListener = NOBODY;
  readonly #fd: Fd;
  readonly #raw: number;
  readonly #token: number;
  readonly #epoll: Epoll;
  readonly #streams: Map<number, UnixStream>;
  #watching = false;

  constructor(fd: Fd, token: number, epoll: Epoll, streams: Map<number, UnixStream>) {
    this.#fd = fd;
    this.#raw = fd.raw;
    this.#token = token;
    this.#epoll = epoll;
    this.#streams = streams;
  }

  /** Tells the listener what has happened. */
  happened(events: number): void {
    const gone = (events & (EPOLLHUP | EPOLLERR)) !== 0;
    if (gone || (events & (EPOLLIN | EPOLLRDHUP)) !== 0) this.listener.readable();
    if ((events & EPOLLOUT) !== 0) this.listener.writable();
    if (gone && !this.#fd.closed) this.listener.hungUp();
  }

  readv(vectors: IoVectors, count: number): number {
    return readv(this.#raw, vectors, count);
  }

  writev(vectors: IoVectors, count: number): number {
    return writev(this.#raw, vectors, count);
  }

  confirm(port: number): boolean {
    const line = new TextEncoder().encode(`OK ${port}\n`);
    const bytes = new Uint8Array(new SharedArrayBuffer(MAX_CONFIRMATION));
    bytes.set(line);
    const vectors = new IoVectors(1);
    vectors.set(0, bufferAddress(bytes.buffer), line.length);
    // Nothing was written before, so there is room.
    return writev(this.#raw, vectors, 1) === line.length;
  }

  watchWritable(wanted: boolean): void {
    if (wanted === this.#watching || this.#fd.closed) return;
    this.#watching = wanted;
    const events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0);
    this.#epoll.change(this.#raw, events, this.#token);
  }

  // A socket whose other end has gone is shut down already (ENOTCONN), which is as good.
  shutdownRead(): void {
    shutdownSocket(this.#raw, SHUT_RD);
  }

  shutdownWrite(): void {
    shutdownSocket(this.#raw, SHUT_WR);
  }

  close(): void {
    if (this.#fd.closed) return;
    this.listener = NOBODY;
    this.#streams.delete(this.#token);
    this.#epoll.remove(this.#raw);
    this.#fd.close();
  }
}

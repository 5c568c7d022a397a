/**
 * Programs on the host, in tests: Unix sockets that never block, so that they can live in the isolate of the device.
 * @module
 */
import {
  acceptUnix,
  bufferAddress,
  connectUnix,
  EAGAIN,
  errnoName,
  Fd,
  IoVectors,
  listenUnix,
  readv,
  SHUT_RD,
  SHUT_WR,
  shutdownSocket,
  writev,
} from "../../../../src/ffi/mod.ts";

const SCRATCH = 65536;
const scratch = new Uint8Array(new SharedArrayBuffer(SCRATCH));
const vectors = new IoVectors(1);

/** One connected socket. */
export class HostPeer implements Disposable {
  /** What was read, unless {@linkcode onData} takes it. */
  readonly inbox: Uint8Array<ArrayBuffer>[] = [];
  onData: ((bytes: Uint8Array) => void) | undefined;
  /** Whether the end was read. */
  ended = false;
  /** The names of the errnos that a read and a write gave, such as `"ECONNRESET"`. */
  readError: string | undefined;
  writeError: string | undefined;
  readonly #fd: Fd;
  readonly #outbox: Uint8Array[] = [];
  #finish = false;

  constructor(raw: number) {
    this.#fd = new Fd(raw, "a program on the host");
  }

  /** Connects. @throws {Error} nobody listens there */
  static connect(path: string): HostPeer {
    const raw = connectUnix(path);
    if (raw < 0) throw new Error(`nobody can connect to ${path}: ${errnoName(-raw)}`);
    return new HostPeer(raw);
  }

  /** Connects and asks for a port of the guest's. */
  static request(path: string, port: number): HostPeer {
    const peer = HostPeer.connect(path);
    peer.send(`CONNECT ${port}\n`);
    return peer;
  }

  get queued(): number {
    return this.#outbox.reduce((sum, { length }) => sum + length, 0);
  }

  /** Writes when there's room; bytes are not copied. */
  send(data: string | Uint8Array): void {
    this.#outbox.push(typeof data === "string" ? new TextEncoder().encode(data) : data);
    this.write();
  }

  /** Says, after all that was sent, that no more comes. */
  finish(): void {
    this.#finish = true;
    this.write();
  }

  /** Says that nothing more is read. */
  refuse(): void {
    shutdownSocket(this.#fd.raw, SHUT_RD);
  }

  /** Writes what there is room for. @returns whether anything was done */
  write(): boolean {
    let progress = false;
    while (this.#outbox.length > 0 && this.writeError === undefined) {
      const first = this.#outbox[0].subarray(0, SCRATCH);
      scratch.set(first);
      vectors.set(0, bufferAddress(scratch.buffer), first.length);
      const result = writev(this.#fd.raw, vectors, 1);
      if (result === -EAGAIN) return progress;
      if (result < 0) {
        this.writeError = errnoName(-result);
        return true;
      }
      progress = true;
      if (result === this.#outbox[0].length) this.#outbox.shift();
      else this.#outbox[0] = this.#outbox[0].subarray(result);
    }
    if (!this.#finish || this.writeError !== undefined) return progress;
    this.#finish = false;
    shutdownSocket(this.#fd.raw, SHUT_WR);
    return true;
  }

  /** Reads what there is. @param most bytes @returns whether anything was done */
  read(most = Infinity): boolean {
    let left = most;
    let progress = false;
    while (!this.ended && this.readError === undefined && left > 0) {
      vectors.set(0, bufferAddress(scratch.buffer), Math.min(SCRATCH, left));
      const result = readv(this.#fd.raw, vectors, 1);
      if (result === -EAGAIN) return progress;
      progress = true;
      if (result < 0) this.readError = errnoName(-result);
      else if (result === 0) this.ended = true;
      else this.#received(scratch.slice(0, result));
      left -= Math.max(0, result);
    }
    return progress;
  }

  #received(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.onData === undefined) this.inbox.push(bytes);
    else this.onData(bytes);
  }

  /** Takes all that was read, as text. */
  text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.inbox.splice(0).flatMap((b) => [...b])));
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A program that listens for the guest's connections. */
export class HostListener implements Disposable {
  readonly #fd: Fd;

  constructor(readonly path: string, backlog = 128) {
    this.#fd = listenUnix(path, backlog, "a listener on the host");
  }

  /** Takes a connection, if one waits. */
  accept(): HostPeer | undefined {
    const raw = acceptUnix(this.#fd.raw);
    return raw < 0 ? undefined : new HostPeer(raw);
  }

  [Symbol.dispose](): void {
    if (this.#fd.closed) return;
    this.#fd.close();
    Deno.removeSync(this.path);
  }
}

/**
 * A guest's side of stream sockets, in tests: connects, listens, keeps to its credit, shuts down and resets, as
 * Linux's net/vmw_vsock does, on a {@linkcode DeviceRig}'s fake driver.
 * @module
 */
import type { DeviceRig } from "../../testing/rig.ts";
import { parsePacket, wireHeader, type WirePacket } from "./wire.ts";

const RX = 0;
const TX = 1;
const HEADER = 44;
const OP = { request: 1, response: 2, reset: 3, shutdown: 4, data: 5, update: 6, ask: 7 } as const;
const RECEIVE = 1;
const SEND = 2;

/** How a guest behaves. */
export interface GuestOptions {
  readonly cid?: number;
  /** What it can hold for each connection, in bytes; 256 KiB as in Linux. */
  readonly bufAlloc?: number;
  /** Whether it has no more under way than its own buffer has, as newer kernels; it isn't. */
  readonly isModest?: boolean;
  /** How many receive buffers it offers, and how large each is in pieces; 64 of 4 KiB. */
  readonly buffers?: number;
  readonly bufferPieces?: readonly number[];
  /** The largest packet that it sends, in bytes of payload; 64 KiB. */
  readonly largest?: number;
}

/** The guest's end of a connection. */
export class GuestSocket {
  state: "connecting" | "established" | "closed" = "connecting";
  /** What came and was not read. */
  readonly inbox: Uint8Array[] = [];
  unread = 0;
  /** Whether what comes is kept until {@linkcode read}; given to {@linkcode onData} at once otherwise. */
  hold = false;
  onData: (bytes: Uint8Array) => void = () => {};
  /** What the host has shut down. */
  peerShutdown = 0;
  /** Whether it ended by a reset from the host. */
  wasReset = false;
  /** Whether the host has asked for credit. */
  asked = 0;
  readonly #guest: GuestStack;
  readonly #outbox: Uint8Array[] = [];
  #shutdown = 0;
  #shutdownSent = 0;
  #forwarded = 0;
  #told = 0;
  #sent = 0;
  #peerSize = 0;
  #peerForwarded = 0;

  constructor(guest: GuestStack, readonly port: number, readonly peerPort: number) {
    this.#guest = guest;
  }

  /** How many bytes wait to be sent. */
  get queued(): number {
    return this.#outbox.reduce((sum, { length }) => sum + length, 0);
  }

  /** How many bytes may be sent now. */
  get credit(): number {
    const size = this.#guest.isModest
      ? Math.min(this.#peerSize, this.#guest.bufAlloc)
      : this.#peerSize;
    return Math.max(0, size - ((this.#sent - this.#peerForwarded) >>> 0));
  }

  /** Sends bytes when there is credit for them; they are not copied. */
  send(bytes: Uint8Array): void {
    this.#outbox.push(bytes);
  }

  /** Takes all that came. */
  read(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.unread);
    let at = 0;
    for (const piece of this.inbox.splice(0)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.unread = 0;
    this.#consumed(at);
    return bytes;
  }

  /** Says, after all that was sent, that no more is sent (2), or received (1), or both. */
  shutdown(flags: number): void {
    this.#shutdown |= flags;
  }

  /** Ends it at once. */
  reset(): void {
    this.packet(OP.reset);
    this.#guest.forget(this);
  }

  /** Sends a packet of this connection's, whatever its state. */
  packet(op: number, payload?: Uint8Array, flags = 0): void {
    this.#told = this.#forwarded;
    this.#guest.sendPacket({
      sourcePort: this.port,
      destinationPort: this.peerPort,
      op,
      flags,
      bufAlloc: this.#guest.bufAlloc,
      fwdCnt: this.#forwarded,
      payload,
    });
  }

  /** For the stack: a packet has come. */
  received(packet: Required<WirePacket>): void {
    this.#peerSize = packet.bufAlloc;
    this.#peerForwarded = packet.fwdCnt;
    switch (packet.op) {
      case OP.response:
        this.state = "established";
        return;
      case OP.reset:
        this.wasReset = true;
        return this.#guest.forget(this);
      case OP.shutdown:
        this.peerShutdown |= packet.flags;
        if (this.peerShutdown === (RECEIVE | SEND) && this.unread === 0) this.reset();
        return;
      case OP.data:
        return this.#data(packet.payload);
      case OP.ask:
        this.asked++;
        return this.packet(OP.update);
    }
  }

  #data(bytes: Uint8Array): void {
    if (this.hold) {
      this.inbox.push(bytes);
      this.unread += bytes.length;
      if (this.unread > this.#guest.bufAlloc) {
        throw new Error(`${this.unread} bytes came to a buffer of ${this.#guest.bufAlloc}`);
      }
      return;
    }
    this.onData(bytes);
    this.#consumed(bytes.length);
  }

  #consumed(bytes: number): void {
    this.#forwarded = (this.#forwarded + bytes) >>> 0;
    if (this.state === "closed") return;
    const news = (this.#forwarded - this.#told) >>> 0;
    // As Linux: the host hears of it when its credit may run out.
    if (news > 0 && news >= this.#guest.bufAlloc / 4) this.packet(OP.update);
    if (this.peerShutdown === (RECEIVE | SEND)) this.reset();
  }

  /** For the stack: sends what can be sent. @returns whether anything was */
  flush(): boolean {
    if (this.state !== "established") return false;
    let progress = false;
    while (this.#outbox.length > 0 && this.#guest.canSend) {
      const first = this.#outbox[0];
      const length = Math.min(first.length, this.credit, this.#guest.largest);
      if (length === 0 && first.length > 0) break;
      this.packet(OP.data, first.subarray(0, length));
      this.#sent = (this.#sent + length) >>> 0;
      if (length === first.length) this.#outbox.shift();
      else this.#outbox[0] = first.subarray(length);
      progress = true;
    }
    if (this.#outbox.length > 0 || this.#shutdown === this.#shutdownSent) return progress;
    if (!this.#guest.canSend) return progress;
    this.#shutdownSent = this.#shutdown;
    this.packet(OP.shutdown, undefined, this.#shutdown);
    return true;
  }
}

/** All sockets of a guest. */
export class GuestStack {
  readonly cid: number;
  readonly bufAlloc: number;
  readonly isModest: boolean;
  readonly largest: number;
  /** The packets that came and belong to no connection. */
  readonly stray: Required<WirePacket>[] = [];
  readonly sockets = new Set<GuestSocket>();
  readonly #rig: Pick<DeviceRig, "driver" | "kickIfWanted">;
  readonly #bufferPieces: readonly number[];
  readonly #listeners = new Map<number, (socket: GuestSocket) => void>();
  readonly #backlog: WirePacket[] = [];
  #buffers: number;
  #nextPort = 1024;

  constructor(
    rig: Pick<DeviceRig, "driver" | "kickIfWanted">,
    options: GuestOptions = {},
  ) {
    this.#rig = rig;
    this.cid = options.cid ?? 3;
    this.bufAlloc = options.bufAlloc ?? 256 * 1024;
    this.isModest = options.isModest ?? false;
    this.largest = options.largest ?? 65536;
    this.#buffers = options.buffers ?? 64;
    this.#bufferPieces = options.bufferPieces ?? [4096];
    this.#refill();
  }

  /** How many receive buffers are offered from now on. */
  set buffers(count: number) {
    this.#buffers = count;
    this.#refill();
  }

  /** Whether there's room for a packet in the transmit queue. */
  get canSend(): boolean {
    return this.#backlog.length === 0 && this.#rig.driver.queue(TX).free >= 2;
  }

  /** Asks for a connection to a port of the host's. */
  connect(peerPort: number): GuestSocket {
    const socket = new GuestSocket(this, this.#nextPort++, peerPort);
    this.sockets.add(socket);
    socket.packet(OP.request);
    return socket;
  }

  /** Takes connections to a port. */
  listen(port: number, accepted: (socket: GuestSocket) => void): void {
    this.#listeners.set(port, accepted);
  }

  /** Sends a packet as it is, now or when there's room. */
  sendPacket(packet: WirePacket): void {
    this.#backlog.push({ sourceCid: this.cid, ...packet });
    this.#sendBacklog();
  }

  forget(socket: GuestSocket): void {
    socket.state = "closed";
    this.sockets.delete(socket);
  }

  /** Goes on until there is nothing left to do. @returns whether there was anything */
  step(): boolean {
    let progress = false;
    while (this.#once()) progress = true;
    return progress;
  }

  #once(): boolean {
    const { driver } = this.#rig;
    let progress = driver.queue(TX).collect().length > 0;
    const came = driver.queue(RX).collect();
    for (const { bytes } of came) this.#received(parsePacket(bytes));
    this.#refill();
    if (this.#sendBacklog()) progress = true;
    for (const socket of this.sockets) if (socket.flush()) progress = true;
    this.#rig.kickIfWanted(RX);
    this.#rig.kickIfWanted(TX);
    return progress || came.length > 0;
  }

  #received(packet: Required<WirePacket>): void {
    const { sourcePort, destinationPort } = packet;
    for (const socket of this.sockets) {
      if (socket.port !== destinationPort || socket.peerPort !== sourcePort) continue;
      return socket.received(packet);
    }
    const accepted = this.#listeners.get(destinationPort);
    if (packet.op === OP.request && accepted !== undefined) {
      const socket = new GuestSocket(this, destinationPort, sourcePort);
      this.sockets.add(socket);
      socket.received(packet);
      socket.state = "established";
      socket.packet(OP.response);
      return accepted(socket);
    }
    this.stray.push(packet);
    if (packet.op === OP.reset) return;
    this.sendPacket({ sourcePort: destinationPort, destinationPort: sourcePort, op: OP.reset });
  }

  #sendBacklog(): boolean {
    const queue = this.#rig.driver.queue(TX);
    let sent = 0;
    while (this.#backlog.length > 0 && queue.free >= 2) {
      const packet = this.#backlog.shift() as WirePacket;
      const payload = packet.payload;
      const header = wireHeader(packet);
      queue.add({ readable: payload === undefined ? [header] : [header, payload] });
      sent++;
    }
    if (sent === 0) return false;
    queue.publish();
    this.#rig.kickIfWanted(TX);
    return true;
  }

  #refill(): void {
    const queue = this.#rig.driver.queue(RX);
    let added = 0;
    while (queue.outstanding < this.#buffers && queue.free >= this.#bufferPieces.length) {
      queue.add({ writable: this.#bufferPieces });
      added++;
    }
    if (added > 0) queue.publish();
  }
}

/** The bytes of a header. */
export const HEADER_BYTES = HEADER;

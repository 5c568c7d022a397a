/**
 * One connection between a port of the guest and a port of the host: its state, its credit in both directions,
 * and how it ends.
 *
 * What the guest sends goes to the host's stream at once; what that has no room for waits in a store as large as
 * the credit that the guest was given. What the host sends waits in the host's stream until the guest has credit
 * and buffers for it, so nothing of it is stored here.
 *
 * | the guest controls                    | what bounds it                                                    |
 * | ------------------------------------- | ----------------------------------------------------------------- |
 * | how much it sends                     | the credit it was told of; more resets the connection. The few    |
 * |                                       | connections that much is sent on get more of it                   |
 * | `fwd_cnt` and `buf_alloc`             | unsigned 32-bit arithmetic; nonsense gives no credit at all       |
 * | operations that are out of turn       | reset the connection                                              |
 * | whether it ever answers               | deadlines for a handshake and for the last reset                  |
 *
 * Source: virtio 1.2, 5.10.6.3 (credit), 5.10.6.4 and 5.10.6.5 (data), 5.10.6.6 (connections).
 * @module
 */
import { EAGAIN, ECONNRESET, EPIPE, type IoVectors } from "../../../src/ffi/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { ByteStore, ByteStores } from "./byte_store.ts";
import { GivenCredit, PeerCredit } from "./credit.ts";
import { type ConnectionOwner, type ConnectionState, MAX_BATCH } from "./connection_owner.ts";
import type { HostStream, StreamListener } from "./host.ts";
import { HEADER_SIZE, HOST_CID, Op, type PacketHeader, Shutdown, TYPE_STREAM } from "./packet.ts";
import { PendingControl } from "./pending.ts";
import { Turn } from "./turns.ts";

/** How long a guest may take to answer a request of the host's, in milliseconds. */
export const REQUEST_TIMEOUT_MS = 2000;
/** How often credit has to come back before a connection is busy: by then all of it was used once, at least. */
const BUSY_AFTER = 2;
/** How long a guest may take to reset a connection that both sides have shut down, in milliseconds. */
export const SHUTDOWN_TIMEOUT_MS = 2000;

/** One connection. */
export class Connection implements StreamListener {
  /** When it has to be looked at, in milliseconds; Infinity for never. */
  deadline = Infinity;
  /** How many of the guest's buffers the next read is worth: more for those that filled the last ones. */
  batch = 1;
  readonly #owner: ConnectionOwner;
  readonly #stream: HostStream;
  readonly #pending: PendingControl<Connection>;
  readonly #dataTurn = new Turn<Connection>(this);
  #state: ConnectionState;

  /** What waits for the host, if anything does. */
  #store: ByteStore | undefined = undefined;
  /** Where stores come from: as large as the credit. */
  #stores: ByteStores;
  readonly #given: GivenCredit;
  /** How often the guest's credit came back. */
  #returns = 0;
  readonly #peer = new PeerCredit();
  /** Whether the guest was asked for credit since it last had some. */
  #creditAsked = false;

  /** What the guest has shut down, and what it was told that the host has. */
  #guestShutdown = 0;
  #hostShutdown = 0;
  #hostShutdownTold = 0;
  /** Whether the stream may have something to read. */
  #readable = true;
  /** Whether the end was written to the stream. */
  #finished = false;

  /** @param state `requested` by the host, or `established` by the guest's request */
  constructor(
    owner: ConnectionOwner,
    readonly guestPort: number,
    readonly hostPort: number,
    stream: HostStream,
    state: "requested" | "established",
  ) {
    this.#owner = owner;
    this.#pending = new PendingControl(new Turn<Connection>(this), owner.control);
    this.#stores = owner.stores;
    this.#given = new GivenCredit(this.#stores.capacity);
    this.#stream = stream;
    this.#state = state;
    stream.listener = this;
    if (state === "requested") {
      this.#expect(REQUEST_TIMEOUT_MS);
      this.#pending.add(Op.request);
    } else {
      this.#pending.add(Op.response);
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** How many bytes wait for the host. */
  get stored(): number {
    return this.#store?.length ?? 0;
  }

  /** How many bytes the guest has room for. */
  get credit(): number {
    return this.#peer.available;
  }

  // ---- from the guest

  /**
   * Takes a packet of this connection's, other than a request.
   *
   * @param header its header, whose length is no more than follows it in `chain`
   */
  packet(header: PacketHeader, chain: DescriptorChain): void {
    if (this.#state === "reset") return;
    this.takeCredit(header);
    switch (header.op) {
      case Op.response:
        return this.#accepted();
      case Op.reset:
        return this.#resetByGuest();
      case Op.shutdown:
        return this.#shutdownByGuest(header.flags);
      case Op.data:
        return this.#takeData(header.length, chain);
      case Op.creditUpdate:
        return;
      case Op.creditRequest:
        return this.#pending.add(Op.creditUpdate);
      default:
        return this.reset();
    }
  }

  /** Takes the credit that comes with each packet of the guest's, its request among them. */
  takeCredit(header: PacketHeader): void {
    this.#peer.update(header.bufferSize, header.forwarded);
    if (this.credit === 0) return;
    this.#creditAsked = false;
    this.#pending.remove(Op.creditRequest);
    this.#offer();
  }

  #accepted(): void {
    if (this.#state !== "requested") return this.reset();
    this.#state = "established";
    this.deadline = Infinity;
    if (!this.#stream.confirm(this.hostPort)) return this.reset();
    this.#offer();
  }

  #resetByGuest(): void {
    // Whoever has said that nothing more comes was heard to the end: what came before is the host's.
    const closed = (this.#guestShutdown & Shutdown.send) !== 0;
    if (this.#state !== "established" || !closed || this.#store === undefined) return this.#end();
    this.#leave();
    this.#state = "orphaned";
    this.#owner.orphaned(this);
  }

  #shutdownByGuest(flags: number): void {
    if (this.#state === "requested") return this.reset();
    const before = this.#guestShutdown;
    this.#guestShutdown |= flags & Shutdown.both;
    if (this.#state === "closing") {
      // Both sides have closed at once, and each waits for the other's reset.
      if (this.#guestShutdown === Shutdown.both) this.reset();
      return;
    }
    if ((this.#guestShutdown & ~before & Shutdown.receive) !== 0) {
      this.#owner.data.remove(this.#dataTurn);
      this.#stream.shutdownRead();
    }
    this.#settle();
  }

  #takeData(length: number, chain: DescriptorChain): void {
    // Data that crossed the last shutdown on its way is nobody's any more.
    if (this.#state === "closing") return;
    if (this.#state !== "established") return this.reset();
    if ((this.#guestShutdown & Shutdown.send) !== 0) return this.reset();
    const { memory, vectors } = this.#owner;
    if (!this.#given.take(length)) return this.reset();
    if ((this.#hostShutdown & Shutdown.receive) !== 0) return this.#forward(length);
    let done = 0;
    if (this.#store === undefined && length > 0) {
      const count = chain.readableVectors(memory, HEADER_SIZE, length, vectors);
      const result = this.#stream.writev(vectors, count);
      if (result < 0 && result !== -EAGAIN) return this.#writeFailed(-result);
      done = Math.max(0, result);
    }
    if (done < length) {
      if (this.#store === undefined) {
        this.#store = this.#stores.take();
        this.#stream.watchWritable(true);
      }
      this.#store.append(memory, chain, HEADER_SIZE + done, length - done);
    }
    if (done > 0) this.#forward(done);
  }

  /** Bytes went on; the guest is told when half of its credit came back. */
  #forward(bytes: number): void {
    const due = this.#given.forward(bytes, this.#peer.size);
    if (!due || this.#state !== "established") return;
    if (++this.#returns >= BUSY_AFTER) this.#getMoreRoom();
    this.#pending.add(Op.creditUpdate);
  }

  /** With more credit the guest goes on sending while the host takes what came. */
  #getMoreRoom(): void {
    const { stores, busy } = this.#owner;
    const deaf = (this.#hostShutdown & Shutdown.receive) !== 0;
    if (deaf || this.#stores !== stores || this.#store !== undefined || !busy.claim()) return;
    this.#stores = busy.stores;
    this.#given.grow(this.#stores.capacity);
  }

  // ---- from the host

  readable(): void {
    this.#readable = true;
    this.#offer();
  }

  writable(): void {
    const { vectors } = this.#owner;
    const store = this.#store;
    if (store === undefined) return;
    while (store.length > 0) {
      const result = this.#stream.writev(vectors, store.vectors(vectors));
      if (result === -EAGAIN) return;
      if (result < 0) return this.#writeFailed(-result);
      store.drop(result);
      this.#forward(result);
    }
    this.#dropStore();
    this.#settle();
  }

  hungUp(): void {
    if (this.#state === "requested") return this.reset();
    this.#hostReceivesNoMore();
  }

  /** A write was refused. The other end may have sent something before it went away. */
  #writeFailed(errno: number): void {
    if (errno !== EPIPE && errno !== ECONNRESET) return this.reset();
    this.#readable = true;
    this.#hostReceivesNoMore();
    this.#offer();
  }

  #hostReceivesNoMore(): void {
    this.#hostShutdown |= Shutdown.receive;
    this.#dropStore();
    this.#forward(this.#given.held);
    this.#settle();
  }

  // ---- to the guest

  /** Whether there is data that the guest wants, as far as is known, and has room for. Asks it for room. */
  wantsToSend(): boolean {
    if (!this.#readable || this.#state !== "established") return false;
    if ((this.#guestShutdown & Shutdown.receive) !== 0) return false;
    if ((this.#hostShutdown & Shutdown.send) !== 0) return false;
    if (this.credit > 0) return true;
    if (!this.#creditAsked) {
      this.#creditAsked = true;
      this.#pending.add(Op.creditRequest);
    }
    return false;
  }

  /**
   * Reads what the host has sent into the guest's memory.
   *
   * @returns how many bytes; 0 when there are none now, or for ever
   */
  read(vectors: IoVectors, count: number): number {
    const result = this.#stream.readv(vectors, count);
    if (result > 0) return result;
    this.batch = 1;
    this.#readable = false;
    if (result === 0) {
      this.#hostShutdown |= Shutdown.send;
      this.#settle();
    } else if (result !== -EAGAIN) {
      this.reset();
    }
    return 0;
  }

  /**
   * After a read: counts what the guest is sent, and gets in line again.
   *
   * @param filled whether all the room that there was is filled
   */
  sent(bytes: number, filled: boolean): void {
    this.#peer.spend(bytes);
    this.batch = filled ? Math.min(MAX_BATCH, this.batch * 2) : 1;
  }

  /** Gets in line again, if there's something to send. */
  again(): void {
    this.#offer();
  }

  /** Fills in a header of this connection's. @param length of the payload */
  header(header: PacketHeader, op: number, length: number): void {
    header.sourceCid = HOST_CID;
    header.destinationCid = this.#owner.cid;
    header.sourcePort = this.hostPort;
    header.destinationPort = this.guestPort;
    header.length = length;
    header.type = TYPE_STREAM;
    header.op = op;
    header.flags = op === Op.shutdown ? this.#hostShutdown : 0;
    header.bufferSize = this.#given.size;
    header.forwarded = this.#given.tell();
    this.#pending.remove(Op.creditUpdate);
  }

  /** Fills in the next control packet, of which there is one, and gets in line again if there's another. */
  nextControl(header: PacketHeader): void {
    const op = this.#pending.next();
    if (op === Op.shutdown) this.#hostShutdownTold = this.#hostShutdown;
    this.header(header, op, 0);
    if (op === Op.reset) this.#end();
  }

  #offer(): void {
    if (this.wantsToSend()) this.#owner.data.push(this.#dataTurn);
  }

  // ---- how it ends

  /** Both directions: what was said last goes out, and what is over for both sides ends (5.10.6.6.2). */
  #settle(): void {
    if (this.#store !== undefined) return;
    if (this.#state === "orphaned") return this.#end();
    if (this.#state !== "established") return;
    if (this.#guestShutdown === Shutdown.both) return this.reset();
    const heardGuest = (this.#guestShutdown & Shutdown.send) !== 0;
    const hostDeaf = (this.#hostShutdown & Shutdown.receive) !== 0;
    if (heardGuest && !hostDeaf && !this.#finished) {
      this.#finished = true;
      this.#stream.shutdownWrite();
    }
    const heardHost = (this.#hostShutdown & Shutdown.send) !== 0 ||
      (this.#guestShutdown & Shutdown.receive) !== 0;
    if (heardHost && (heardGuest || hostDeaf)) {
      this.#state = "closing";
      this.#hostShutdown = Shutdown.both;
      this.#expect(SHUTDOWN_TIMEOUT_MS);
      this.#leaveStream();
    }
    if (this.#hostShutdown !== this.#hostShutdownTold) this.#pending.add(Op.shutdown);
  }

  /** Ends it for both sides at once. */
  reset(): void {
    if (this.#state === "reset" || this.#state === "ended") return;
    if (this.#state === "orphaned") return this.#end();
    const unheard = this.#pending.has(Op.request);
    this.#leave();
    this.#leaveStream();
    // A guest that was never told of it need not hear of its end.
    if (unheard) return this.#end();
    this.#state = "reset";
    this.#pending.add(Op.reset);
  }

  /** Something took too long. @param now in milliseconds */
  expire(now: number): void {
    if (this.deadline <= now) this.reset();
  }

  /** Ends it without a word to the guest, which is gone. */
  abandon(): void {
    this.#end();
  }

  #expect(milliseconds: number): void {
    this.deadline = this.#owner.now + milliseconds;
    this.#owner.expectAt(this.deadline);
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#leave();
    this.#leaveStream();
    this.#state = "ended";
    this.#owner.ended(this);
  }

  /** Has nothing for the guest any more. */
  #leave(): void {
    this.deadline = Infinity;
    this.#pending.clear();
    this.#owner.data.remove(this.#dataTurn);
  }

  #leaveStream(): void {
    this.#dropStore();
    const { stores, busy } = this.#owner;
    if (this.#stores !== stores) busy.release();
    this.#stores = stores;
    this.#owner.data.remove(this.#dataTurn);
    this.#stream.close();
  }

  #dropStore(): void {
    if (this.#store === undefined) return;
    this.#stores.give(this.#store);
    this.#store = undefined;
    this.#stream.watchWritable(false);
  }
}

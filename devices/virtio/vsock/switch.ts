/**
 * The switch between the guest's ports and the host's: which packet is for which connection, and who is next.
 *
 * | the guest controls                         | what bounds it                                               |
 * | ------------------------------------------ | ------------------------------------------------------------ |
 * | context ids, ports, type and operation     | what fits no connection is answered by a reset, resets by nothing |
 * | requests for connections                   | the number of connections; one for each pair of ports        |
 * | packets that are answered by resets        | 1024 answers wait; more are dropped                          |
 * | which port it connects to on the host      | the port is a number in the name of a socket, nothing else   |
 *
 * Source: virtio 1.2, 5.10.6.
 * @module
 */
import type { IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { Metrics } from "../../metrics.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { BusyStores, ByteStores } from "./byte_store.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection_owner.ts";
import { ConnectionTable } from "./connection_table.ts";
import { Handshake, type HandshakeOwner, LINE_TIMEOUT_MS, LineReader } from "./handshake.ts";
import type { Host, HostClient, HostStream } from "./host.ts";
import { HEADER_SIZE, HOST_CID, Op, type PacketHeader, TYPE_STREAM } from "./packet.ts";
import { ResetRing } from "./reset_ring.ts";
import { TurnList } from "./turns.ts";

/** How many resets for packets without a connection can wait. */
const RESETS = 1024;

/** What a switch needs of its device. */
export interface SwitchContext {
  readonly memory: GuestMemory;
  readonly metrics: Metrics;
  readonly stores: ByteStores;
  readonly busy: BusyStores;
  /** Scratch for writes: room for the pieces of any chain, and for two. */
  readonly vectors: IoVectors;
  /** The most connections, with clients that have not said what they want. */
  readonly limit: number;
  /** The guest's context id. */
  readonly cid: number;
  /** Now, in milliseconds. */
  now(): number;
  /** Whether a driver is there to be connected to. */
  running(): boolean;
  /** There may be packets for the guest. */
  serve(): void;
  /** Wants {@linkcode Switch.expire} to be called at this time. */
  expectAt(deadline: number): void;
}

/** All connections of one device. */
export class Switch implements ConnectionOwner, HandshakeOwner, HostClient {
  readonly memory: GuestMemory;
  readonly stores: ByteStores;
  readonly busy: BusyStores;
  readonly vectors: IoVectors;
  readonly lines = new LineReader();
  readonly control = new TurnList<Connection>();
  readonly data = new TurnList<Connection>();
  readonly #context: SwitchContext;
  readonly #host: Host;
  readonly #table = new ConnectionTable();
  readonly #orphans = new Set<Connection>();
  readonly #handshakes = new Set<Handshake>();
  readonly #resets = new ResetRing(RESETS);

  /** @param connect makes the host's side, which tells this of its clients */
  constructor(context: SwitchContext, connect: (client: HostClient) => Host) {
    this.#context = context;
    this.memory = context.memory;
    this.stores = context.stores;
    this.busy = context.busy;
    this.vectors = context.vectors;
    this.#host = connect(this);
  }

  get cid(): number {
    return this.#context.cid;
  }

  get now(): number {
    return this.#context.now();
  }

  /** The host's side. */
  get host(): Host {
    return this.#host;
  }

  /** All that count towards the limit. */
  get count(): number {
    return this.#table.count + this.#orphans.size + this.#handshakes.size;
  }

  /** The connections that the guest may know of. */
  connections(): Iterable<Connection> {
    return this.#table;
  }

  // ---- from the guest

  /**
   * Takes one packet.
   *
   * @param header was read from `chain`, whose device-readable part it begins
   */
  packet(header: PacketHeader, chain: DescriptorChain): void {
    const { metrics } = this.#context;
    metrics.add("tx_packets");
    // Nobody is to be answered in another guest's name.
    if (header.sourceCid !== this.cid) return metrics.add("tx_malformed");
    if (header.destinationCid !== HOST_CID || header.type !== TYPE_STREAM) {
      return this.#answerReset(header);
    }
    const connection = this.#table.find(header.sourcePort, header.destinationPort);
    if (header.length > chain.readableBytes - HEADER_SIZE) {
      metrics.add("tx_malformed");
      return connection === undefined ? this.#answerReset(header) : connection.reset();
    }
    if (connection === undefined) {
      return header.op === Op.request ? this.#request(header) : this.#answerReset(header);
    }
    // A guest that asks for what it has, has lost it.
    if (header.op === Op.request) return connection.reset();
    if (header.op === Op.data) metrics.add("tx_bytes", header.length);
    connection.packet(header, chain);
  }

  #request(header: PacketHeader): void {
    const { metrics } = this.#context;
    const full = this.count >= this.#context.limit;
    const stream = full ? undefined : this.#host.connect(header.destinationPort);
    if (stream === undefined) {
      metrics.add("connections_refused");
      return this.#answerReset(header);
    }
    metrics.add("connections_from_guest");
    const { sourcePort, destinationPort } = header;
    const connection = new Connection(this, sourcePort, destinationPort, stream, "established");
    this.#add(connection);
    connection.takeCredit(header);
  }

  #answerReset(header: PacketHeader): void {
    // Two sides that know nothing of each other would else send resets for ever (5.10.6.6).
    if (header.op === Op.reset) return;
    if (!this.#resets.answer(header)) this.#context.metrics.add("resets_dropped");
  }

  // ---- to the guest

  /** Whether a control packet waits. */
  get hasControl(): boolean {
    return this.#resets.count > 0 || !this.control.empty;
  }

  /** Fills in the header of the next control packet; there is one. */
  nextControl(header: PacketHeader): void {
    if (this.#resets.count > 0) this.#resets.next(header);
    else this.control.shift()?.nextControl(header);
    if (header.op === Op.reset) this.#context.metrics.add("resets");
  }

  /** The connection whose turn it is to send data; it gets in line again by itself. */
  nextData(): Connection | undefined {
    for (;;) {
      const connection = this.data.shift();
      if (connection === undefined || connection.wantsToSend()) return connection;
    }
  }

  // ---- from the host

  accepted(stream: HostStream): void {
    const { metrics } = this.#context;
    if (!this.#context.running() || this.count >= this.#context.limit) {
      metrics.add("clients_refused");
      return stream.close();
    }
    const handshake = new Handshake(this, stream, this.now + LINE_TIMEOUT_MS);
    this.#handshakes.add(handshake);
    this.expectAt(handshake.deadline);
    this.#gauge();
    handshake.readable();
  }

  served(): void {
    this.#context.serve();
  }

  wants(handshake: Handshake, port: number): void {
    this.#handshakes.delete(handshake);
    this.#context.metrics.add("connections_from_host");
    const hostPort = this.#table.freePort();
    this.#add(new Connection(this, port, hostPort, handshake.stream, "requested"));
  }

  failed(handshake: Handshake): void {
    this.#handshakes.delete(handshake);
    this.#context.metrics.add("clients_refused");
    this.#gauge();
  }

  // ---- connections come and go

  #add(connection: Connection): void {
    this.#table.add(connection);
    this.#gauge();
  }

  ended(connection: Connection): void {
    this.#table.remove(connection);
    this.#orphans.delete(connection);
    this.#gauge();
  }

  orphaned(connection: Connection): void {
    this.#table.remove(connection);
    this.#orphans.add(connection);
  }

  expectAt(deadline: number): void {
    this.#context.expectAt(deadline);
  }

  /** Ends what took too long. @returns when to look again, Infinity for never */
  expire(now: number): number {
    let next = Infinity;
    for (const handshake of this.#handshakes) {
      if (handshake.deadline > now) {
        next = Math.min(next, handshake.deadline);
        continue;
      }
      handshake.abandon();
      this.failed(handshake);
    }
    for (const connection of this.#table) {
      connection.expire(now);
      next = Math.min(next, connection.deadline);
    }
    return next;
  }

  /** Time stood still for the guest, and so it does for what is waited for. */
  postpone(milliseconds: number): void {
    for (const handshake of this.#handshakes) handshake.deadline += milliseconds;
    for (const connection of this.#table) connection.deadline += milliseconds;
  }

  /** The guest has forgotten everything: all streams are closed. */
  reset(): void {
    for (const handshake of this.#handshakes) handshake.abandon();
    this.#handshakes.clear();
    for (const connection of this.#table) connection.abandon();
    for (const connection of this.#orphans) connection.abandon();
    this.#resets.clear();
    this.#gauge();
  }

  #gauge(): void {
    this.#context.metrics.set("connections", this.count);
  }
}

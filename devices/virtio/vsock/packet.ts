/**
 * Packets of the socket device: a header of 44 bytes, and payload behind it in those that carry any.
 *
 * Source: virtio 1.2, 5.10.6 (struct virtio_vsock_hdr), whose numbers are those of linux/virtio_vsock.h.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";

/** The bytes of a header. */
export const HEADER_SIZE = 44;

/** The host's context id (5.10.4). */
export const HOST_CID = 2;
/** The least and the greatest context id that a guest can have (5.10.4). */
export const FIRST_GUEST_CID = 3;
export const LAST_GUEST_CID = 0xffff_fffe;
/** No port: VMADDR_PORT_ANY of linux/vm_sockets.h. */
export const PORT_ANY = 0xffff_ffff;

/** Connected, in order, without record boundaries: the type of all packets here (5.10.6.6). */
export const TYPE_STREAM = 1;

/** What a packet is for (enum virtio_vsock_op). */
export const Op = {
  request: 1,
  response: 2,
  reset: 3,
  shutdown: 4,
  data: 5,
  creditUpdate: 6,
  creditRequest: 7,
} as const;

/** Flags of a shutdown (enum virtio_vsock_shutdown): what its sender will not do any more. */
export const Shutdown = { receive: 1, send: 2, both: 3 } as const;

/** An event of the event queue (5.10.6.7): all connections are gone, and the context id may be another. */
export const EVENT_TRANSPORT_RESET = 0;
/** The bytes of an event. */
export const EVENT_SIZE = 4;

/** Where the fields are (struct virtio_vsock_hdr). */
const At = {
  sourceCid: 0,
  destinationCid: 8,
  sourcePort: 16,
  destinationPort: 20,
  length: 24,
  type: 28,
  op: 30,
  flags: 32,
  bufferSize: 36,
  forwarded: 40,
} as const;

/** One header, filled again and again; each field is read from guest memory once. */
export class PacketHeader {
  /** A context id of more than 53 bits loses precision here, and is nobody's all the same. */
  sourceCid = 0;
  destinationCid = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** The bytes of payload (`len`). */
  length = 0;
  type: number = TYPE_STREAM;
  /** One of {@linkcode Op}, if the sender knows the rules. */
  op = 0;
  flags = 0;
  /** How much the sender can hold for this connection (`buf_alloc`). */
  bufferSize = 0;
  /** How many bytes of the connection the sender has passed on so far, modulo 2^32 (`fwd_cnt`). */
  forwarded = 0;

  /** For headers that lie across pieces of a chain, which is rare. */
  readonly #bytes = new Uint8Array(HEADER_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);

  /**
   * Takes the header at the start of a chain's device-readable part.
   *
   * @returns whether there is one: false for a part of fewer than 44 bytes
   */
  read(memory: GuestMemory, chain: DescriptorChain): boolean {
    if (chain.readableBytes < HEADER_SIZE) return false;
    if (chain.lengths[0] >= HEADER_SIZE) {
      this.#load(memory, chain.addresses[0]);
      return true;
    }
    chain.read(memory, 0, this.#bytes);
    const view = this.#view;
    this.sourceCid = cid(
      view.getUint32(At.sourceCid, true),
      view.getUint32(At.sourceCid + 4, true),
    );
    this.destinationCid = cid(
      view.getUint32(At.destinationCid, true),
      view.getUint32(At.destinationCid + 4, true),
    );
    this.sourcePort = view.getUint32(At.sourcePort, true);
    this.destinationPort = view.getUint32(At.destinationPort, true);
    this.length = view.getUint32(At.length, true);
    this.type = view.getUint16(At.type, true);
    this.op = view.getUint16(At.op, true);
    this.flags = view.getUint32(At.flags, true);
    this.bufferSize = view.getUint32(At.bufferSize, true);
    this.forwarded = view.getUint32(At.forwarded, true);
    return true;
  }

  /** Puts the header at the start of a chain's device-writable part, which has room for it. */
  write(memory: GuestMemory, chain: DescriptorChain): void {
    const first = chain.readableCount;
    if (chain.lengths[first] >= HEADER_SIZE) {
      this.#store(memory, chain.addresses[first]);
      return;
    }
    const view = this.#view;
    view.setUint32(At.sourceCid, this.sourceCid, true);
    view.setUint32(At.sourceCid + 4, high(this.sourceCid), true);
    view.setUint32(At.destinationCid, this.destinationCid, true);
    view.setUint32(At.destinationCid + 4, high(this.destinationCid), true);
    view.setUint32(At.sourcePort, this.sourcePort, true);
    view.setUint32(At.destinationPort, this.destinationPort, true);
    view.setUint32(At.length, this.length, true);
    view.setUint16(At.type, this.type, true);
    view.setUint16(At.op, this.op, true);
    view.setUint32(At.flags, this.flags, true);
    view.setUint32(At.bufferSize, this.bufferSize, true);
    view.setUint32(At.forwarded, this.forwarded, true);
    chain.write(memory, 0, this.#bytes);
  }

  /** The header at an address, without a copy of it. */
  #load(memory: GuestMemory, at: number): void {
    this.sourceCid = cid(
      memory.readU32(at + At.sourceCid),
      memory.readU32(at + At.sourceCid + 4),
    );
    this.destinationCid = cid(
      memory.readU32(at + At.destinationCid),
      memory.readU32(at + At.destinationCid + 4),
    );
    this.sourcePort = memory.readU32(at + At.sourcePort);
    this.destinationPort = memory.readU32(at + At.destinationPort);
    this.length = memory.readU32(at + At.length);
    this.type = memory.readU16(at + At.type);
    this.op = memory.readU16(at + At.op);
    this.flags = memory.readU32(at + At.flags);
    this.bufferSize = memory.readU32(at + At.bufferSize);
    this.forwarded = memory.readU32(at + At.forwarded);
  }

  #store(memory: GuestMemory, at: number): void {
    memory.writeU32(at + At.sourceCid, this.sourceCid);
    memory.writeU32(at + At.sourceCid + 4, high(this.sourceCid));
    memory.writeU32(at + At.destinationCid, this.destinationCid);
    memory.writeU32(at + At.destinationCid + 4, high(this.destinationCid));
    memory.writeU32(at + At.sourcePort, this.sourcePort);
    memory.writeU32(at + At.destinationPort, this.destinationPort);
    memory.writeU32(at + At.length, this.length);
    memory.writeU16(at + At.type, this.type);
    memory.writeU16(at + At.op, this.op);
    memory.writeU32(at + At.flags, this.flags);
    memory.writeU32(at + At.bufferSize, this.bufferSize);
    memory.writeU32(at + At.forwarded, this.forwarded);
  }
}

function cid(low: number, high: number): number {
  return low + high * 0x1_0000_0000;
}

function high(cid: number): number {
  return cid / 0x1_0000_0000;
}

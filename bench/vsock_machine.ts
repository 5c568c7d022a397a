/**
 * A socket device with the leanest driver there can be: its buffers lie ready in split queues and are offered again
 * by a single store, so that what is measured is the device.
 * @module
 */
import { openQueue, type Virtqueue } from "../devices/virtio/queue/mod.ts";
import { vsock } from "../devices/virtio/vsock/mod.ts";
import { wireHeader } from "../devices/virtio/vsock/testing/wire.ts";
import { acceptUnix, bufferAddress, IoVectors, listenUnix, readv, writev } from "../src/ffi/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import { type BenchDevice, openDevice } from "./device.ts";
import { DESC_F_NEXT, DESC_F_WRITE } from "./ring.ts";

const HEADER = 44;
const PORT = 52;
const OP_REQUEST = 1;
const OP_DATA = 5;
const OP_CREDIT_UPDATE = 6;
/** How many buffers each queue has. */
const BUFFERS = 128;
/** The payload of a packet of the guest's. */
export const PACKET = 65536;

/** One end of a socket on the host, whose bytes are of no interest. */
export class HostEnd {
  readonly #scratch = new Uint8Array(new SharedArrayBuffer(PACKET));
  readonly #vectors = new IoVectors(1);

  constructor(readonly fd: number) {}

  /** @returns the bytes written, or a negative errno */
  write(length: number): number {
    this.#vectors.set(0, bufferAddress(this.#scratch.buffer), length);
    return writev(this.fd, this.#vectors, 1);
  }

  /** @returns the bytes read, or a negative errno */
  read(): number {
    this.#vectors.set(0, bufferAddress(this.#scratch.buffer), PACKET);
    return readv(this.fd, this.#vectors, 1);
  }
}

/** A split queue whose buffers are offered in the same order for ever. */
class LeanQueue {
  readonly queue: Virtqueue;
  readonly #memory: GuestMemory;
  readonly #at: number;
  #offered = 0;
  #seen = 0;

  /** @param at where its rings are @param pieces of each buffer: address of the first one and length of each */
  constructor(
    memory: GuestMemory,
    index: number,
    at: number,
    writable: boolean,
    readonly buffers: readonly { readonly address: number; readonly lengths: readonly number[] }[],
  ) {
    this.#memory = memory;
    this.#at = at;
    let slot = 0;
    for (const [i, { address, lengths }] of buffers.entries()) {
      for (let k = i; k < 256; k += buffers.length) memory.writeU16(at + 0x1004 + 2 * k, slot);
      let piece = address;
      for (const [j, length] of lengths.entries()) {
        const more = j + 1 < lengths.length ? DESC_F_NEXT : 0;
        memory.writeU32(at + 16 * slot, piece);
        memory.writeU32(at + 16 * slot + 8, length);
        memory.writeU16(at + 16 * slot + 12, more | (writable ? DESC_F_WRITE : 0));
        memory.writeU16(at + 16 * slot + 14, slot + 1);
        piece += length;
        slot++;
      }
    }
    // No interrupts: VIRTQ_AVAIL_F_NO_INTERRUPT.
    memory.writeU16(at + 0x1000, 1);
    const areas = { descriptorArea: at, driverArea: at + 0x1000, deviceArea: at + 0x2000 };
    const features = { packed: false, eventIdx: false, indirect: false };
    this.queue = openQueue(memory, { index, size: 256, ...areas }, features, () => {});
  }

  /** The next buffer to offer. */
  get next(): number {
    return this.buffers[this.#offered % this.buffers.length].address;
  }

  get underWay(): number {
    return this.#offered - this.#seen;
  }

  offer(count: number): void {
    this.#offered += count;
    this.#memory.store16(this.#at + 0x1002, this.#offered & 0xffff);
  }

  /** The next buffer that came back; -1: none. */
  take(): number {
    if ((this.#memory.load16(this.#at + 0x2002) - this.#seen & 0xffff) === 0) return -1;
    return this.buffers[this.#seen++ % this.buffers.length].address;
  }
}

/** The device, its driver with one connection, and the program at its other end. */
export class VsockMachine {
  readonly host: HostEnd;
  /** How many bytes the guest was given. */
  received = 0;
  readonly #memory = GuestMemory.forTest(64 << 20);
  readonly #device: BenchDevice;
  readonly #receive: LeanQueue;
  readonly #transmit: LeanQueue;
  #sent = 0;
  #peerForwarded = 0;
  #peerSize = 0;

  /** @param room for data in each receive buffer, in bytes */
  constructor(directory: string, room: number) {
    const memory = this.#memory;
    const buffers = (at: number, lengths: number[]) =>
      Array.from({ length: BUFFERS }, (_, i) => ({ address: at + i * 0x20000, lengths }));
    this.#receive = new LeanQueue(memory, 0, 0x1000, true, buffers(0x100000, [HEADER + room]));
    const packets = buffers(0x2000000, [HEADER, PACKET]);
    this.#transmit = new LeanQueue(memory, 1, 0x5000, false, packets);
    const uds = `${directory}/${room}.sock`;
    this.#device = openDevice(vsock, { uds, cid: 3, connections: 10 }, memory);
    const listener = listenUnix(`${uds}_${PORT}`, 1, "the bench");
    this.#device.core.start([this.#receive.queue, this.#transmit.queue, undefined], 0n);
    this.#receive.offer(BUFFERS);
    this.#packet(OP_REQUEST, 0);
    while (this.#peerSize === 0) this.turn();
    this.host = new HostEnd(acceptUnix(listener.raw));
    listener.close();
  }

  /** Whether the guest may send so many bytes more. */
  maySend(length: number): boolean {
    const credit = this.#peerSize - ((this.#sent - this.#peerForwarded) >>> 0);
    return credit >= length && this.#transmit.underWay < BUFFERS;
  }

  /** The guest sends a packet. */
  send(length: number): void {
    this.#sent = (this.#sent + length) >>> 0;
    this.#packet(OP_DATA, length);
  }

  /** The guest tells that it has passed on all that it was given. */
  giveCredit(): void {
    this.#packet(OP_CREDIT_UPDATE, 0);
  }

  /** One turn of the loop, and of the guest. */
  turn(): void {
    this.#device.loop.turn(0);
    let came = 0;
    for (let at = this.#receive.take(); at >= 0; at = this.#receive.take()) {
      this.received += this.#memory.readU32(at + 24);
      this.#peerSize = this.#memory.readU32(at + 36);
      this.#peerForwarded = this.#memory.readU32(at + 40);
      came++;
    }
    if (came === 0) return;
    this.#receive.offer(came);
    this.#device.core.kick(0);
  }

  #packet(op: number, length: number): void {
    const at = this.#transmit.next;
    const fwdCnt = this.received >>> 0;
    const ports = { sourcePort: 1024, destinationPort: PORT };
    this.#memory.write(at, wireHeader({ ...ports, op, length, bufAlloc: 1 << 30, fwdCnt }));
    this.#transmit.offer(1);
    this.#device.core.kick(1);
    while (this.#transmit.take() >= 0);
  }
}

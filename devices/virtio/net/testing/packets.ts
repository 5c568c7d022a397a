/**
 * Packets for tests of network cards: how they are made, and what came in a card's buffers.
 * @module
 */
import assert from "node:assert/strict";
import type { DeviceRig } from "../../testing/rig.ts";
import { HEADER_SIZE } from "../packet.ts";
import { GUEST_MAC, type TestTap } from "./taps.ts";

/** Bytes that tell where they come from. */
export function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 0xff);
}

/** One after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The header before a packet that needs nothing. */
export const PLAIN_HEADER = new Uint8Array(HEADER_SIZE);

export function be16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

function le16(value: number): Uint8Array {
  return Uint8Array.of(value, value >> 8);
}

/** The four bytes of an IPv4 address. */
export function ipBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(":"), (byte) => parseInt(byte, 16));
}

/** The sum of 16-bit words with the carries added (RFC 1071), not inverted. */
export function sum16(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += part[i] << 8 | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** An IPv4 packet in an Ethernet frame. */
export function frame(
  to: Uint8Array,
  from: Uint8Array,
  source: string,
  destination: string,
  protocol: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const header = join(
    Uint8Array.of(0x45, 0),
    be16(20 + payload.length),
    Uint8Array.of(0, 0, 0x40, 0, 64, protocol, 0, 0),
    ipBytes(source),
    ipBytes(destination),
  );
  header.set(be16(~sum16(header) & 0xffff), 10);
  return join(to, from, be16(0x0800), header, payload);
}

/** A datagram without a checksum in an Ethernet frame, as the guest sends it to the host. */
export function datagram(
  tap: TestTap,
  ports: { from: number; to: number },
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const udp = join(be16(ports.from), be16(ports.to), be16(8 + payload.length), be16(0), payload);
  return frame(tap.hostMac, macBytes(GUEST_MAC), tap.guestIp, tap.hostIp, 17, udp);
}

/** A large TCP segment to be cut by whoever sends it at last: header and frame, from one card to another. */
export function largeSegment(
  tap: TestTap,
  destination: string,
  payload: Uint8Array,
  gsoSize: number,
): Uint8Array<ArrayBuffer> {
  const length = 20 + payload.length;
  const tcp = join(
    be16(1000),
    be16(2000),
    new Uint8Array(8),
    Uint8Array.of(0x50, 0x10, 1, 0, 0, 0, 0, 0),
  );
  const pseudo = join(
    ipBytes(tap.guestIp),
    ipBytes(destination),
    Uint8Array.of(0, 6),
    be16(length),
  );
  tcp.set(be16(sum16(pseudo)), 16);
  // NEEDS_CSUM, GSO_TCPV4, hdr_len, gso_size, csum_start, csum_offset, num_buffers
  const header = join(
    Uint8Array.of(1, 1),
    le16(54),
    le16(gsoSize),
    le16(34),
    le16(16),
    le16(0),
  );
  const packet = frame(
    tap.hostMac,
    macBytes(GUEST_MAC),
    tap.guestIp,
    destination,
    6,
    join(tcp, payload),
  );
  return join(header, packet);
}

/** What a packet of the card's is made of. */
export interface Received {
  readonly flags: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly numBuffers: number;
  readonly frame: Uint8Array;
}

/** Puts the packets together out of the buffers that came back in a receive queue. */
export function packets(rig: DeviceRig<unknown>, queue = 0): Received[] {
  const done = rig.collect(queue);
  const found: Received[] = [];
  while (done.length > 0) {
    const view = new DataView(done[0].bytes.buffer);
    const numBuffers = view.getUint16(10, true);
    assert(numBuffers >= 1, "num_buffers is at least 1");
    assert(done.length >= numBuffers, "all buffers of a packet come back at once");
    const parts = done.splice(0, numBuffers);
    for (const part of parts.slice(0, -1)) assert.equal(part.written, part.writable.length);
    const bytes = join(...parts.map((part) => part.bytes));
    found.push({
      flags: bytes[0],
      gsoType: bytes[1],
      gsoSize: view.getUint16(4, true),
      numBuffers,
      frame: bytes.subarray(HEADER_SIZE),
    });
  }
  return found;
}

/** Offers receive buffers. */
export function offerBuffers(
  rig: DeviceRig<unknown>,
  count: number,
  size: number,
  queue = 0,
): void {
  for (let i = 0; i < count; i++) rig.driver.queue(queue).add({ writable: [size] });
  rig.driver.queue(queue).publish();
  rig.kickIfWanted(queue);
}

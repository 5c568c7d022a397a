/**
 * Packets as a guest's driver makes them, in tests: written from linux/virtio_vsock.h, apart from the device's code.
 * @module
 */

/** One packet; what is left out is zero, and a stream's. */
export interface WirePacket {
  readonly sourceCid?: number;
  readonly destinationCid?: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly type?: number;
  readonly op: number;
  readonly flags?: number;
  readonly bufAlloc?: number;
  readonly fwdCnt?: number;
  /** The length in the header; the payload's when left out. */
  readonly length?: number;
  readonly payload?: Uint8Array;
}

/** A header of 44 bytes. */
export function wireHeader(packet: WirePacket): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(44));
  view.setBigUint64(0, BigInt(packet.sourceCid ?? 3), true);
  view.setBigUint64(8, BigInt(packet.destinationCid ?? 2), true);
  view.setUint32(16, packet.sourcePort, true);
  view.setUint32(20, packet.destinationPort, true);
  view.setUint32(24, packet.length ?? packet.payload?.length ?? 0, true);
  view.setUint16(28, packet.type ?? 1, true);
  view.setUint16(30, packet.op, true);
  view.setUint32(32, packet.flags ?? 0, true);
  view.setUint32(36, packet.bufAlloc ?? 0, true);
  view.setUint32(40, packet.fwdCnt ?? 0, true);
  return new Uint8Array(view.buffer);
}

/** Takes a packet apart. @throws {RangeError} it is shorter than its header says */
export function parsePacket(bytes: Uint8Array<ArrayBuffer>): Required<WirePacket> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(24, true);
  if (bytes.length !== 44 + length) {
    throw new RangeError(`a packet of ${bytes.length} bytes says that ${length} follow its header`);
  }
  return {
    sourceCid: Number(view.getBigUint64(0, true)),
    destinationCid: Number(view.getBigUint64(8, true)),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufAlloc: view.getUint32(36, true),
    fwdCnt: view.getUint32(40, true),
    length,
    payload: bytes.subarray(44),
  };
}

/**
 * One wrong bit in a packet, of which its checksum tells.
 *
 * Source: virtio 1.2, 5.1.6 (struct virtio_net_hdr); RFC 1071.
 * @module
 */
import type { FaultRandom } from "../../faults/mod.ts";
import {
  ETH_HLEN,
  GSO_TYPE_OFFSET,
  HEADER_SIZE,
  PACKET_MIN,
  VIRTIO_NET_HDR_GSO_NONE,
} from "./packet.ts";

/** flags: the checksum is to be made, of what comes from csum_start on; or it was found right. */
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_F_DATA_VALID = 2;
const CSUM_START_OFFSET = 6;
const CSUM_OFFSET_OFFSET = 8;

/**
 * Flips one bit of a packet behind its Ethernet header, after its checksum was made.
 *
 * @param packet with its header
 * @returns false where the checksum can't be made here: the packet is to be segmented, its header makes no sense, or
 *   it is none
 */
export function corrupt(packet: Uint8Array, random: FaultRandom): boolean {
  if (packet.length < PACKET_MIN) return false;
  if (packet[GSO_TYPE_OFFSET] !== VIRTIO_NET_HDR_GSO_NONE) return false;
  if ((packet[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0 && !finishChecksum(packet)) return false;
  packet[0] &= ~(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID);
  const first = Math.min(HEADER_SIZE + ETH_HLEN, packet.length - 1);
  const byte = first + random.below(packet.length - first);
  packet[byte] ^= 1 << random.below(8);
  return true;
}

/** Makes the checksum; its field holds the sum of the pseudo header. @returns whether header and packet allow it */
function finishChecksum(packet: Uint8Array): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const start = HEADER_SIZE + view.getUint16(CSUM_START_OFFSET, true);
  const field = start + view.getUint16(CSUM_OFFSET_OFFSET, true);
  if (field + 2 > packet.length) return false;
  let sum = 0;
  for (let at = start; at < packet.length; at += 2) {
    sum += packet[at] << 8 | (at + 1 < packet.length ? packet[at + 1] : 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  // Of UDP, a sum of zero would say that there is none (RFC 768); to TCP both are the same.
  view.setUint16(field, (~sum & 0xffff) || 0xffff, false);
  return true;
}

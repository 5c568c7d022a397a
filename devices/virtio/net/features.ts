/**
 * The feature bits of network devices, and what a tap is told of those that were agreed on.
 *
 * Source: virtio 1.2, 5.1.3; the bits of UDP segmentation: virtio 1.3, 5.1.3; linux/if_tun.h.
 * @module
 */
import {
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_USO4,
  TUN_F_USO6,
} from "../../../src/ffi/mod.ts";
import { bit, hasFeature } from "../features.ts";

/** The device takes packets whose checksum is to be completed. */
export const VIRTIO_NET_F_CSUM = 0;
/** The driver takes packets whose checksum is to be completed. */
export const VIRTIO_NET_F_GUEST_CSUM = 1;
/** The driver can change what it takes while it runs. */
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2;
/** The configuration has the largest packet. */
export const VIRTIO_NET_F_MTU = 3;
/** The configuration has an address. */
export const VIRTIO_NET_F_MAC = 5;
/** The driver takes large TCP segments, over IPv4, over IPv6, and with ECN. */
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 8;
export const VIRTIO_NET_F_GUEST_ECN = 9;
/** The device takes large TCP segments, over IPv4, over IPv6, and with ECN. */
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_HOST_TSO6 = 12;
export const VIRTIO_NET_F_HOST_ECN = 13;
/** One packet may fill several receive buffers. */
export const VIRTIO_NET_F_MRG_RXBUF = 15;
/** The configuration says whether there is a link. */
export const VIRTIO_NET_F_STATUS = 16;
/** There is a control queue. */
export const VIRTIO_NET_F_CTRL_VQ = 17;
/** The device may ask the driver to make itself known on the network. */
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 21;
/** There are several pairs of queues. */
export const VIRTIO_NET_F_MQ = 22;
/** The driver can set the address. */
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;
/** The driver takes large UDP datagrams to be split, over IPv4 and IPv6. */
export const VIRTIO_NET_F_GUEST_USO4 = 54;
export const VIRTIO_NET_F_GUEST_USO6 = 55;
/** The device takes large UDP datagrams to be split. */
export const VIRTIO_NET_F_HOST_USO = 56;

/** Linux takes the two only together. */
const TUN_USO = TUN_F_USO4 | TUN_F_USO6;
/** What every tap can do since Linux 2.6.27. */
export const TUN_OFFLOADS: number = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
/** What taps can do since Linux 6.2. */
export const TUN_OFFLOADS_USO: number = TUN_OFFLOADS | TUN_USO;

/** The features by which a driver says what it takes; CTRL_GUEST_OFFLOADS_SET has the same bits (5.1.6.5.6.1). */
export const GUEST_OFFLOADS: bigint = [
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
].reduce((bits, feature) => bits | bit(feature), 0n);

/** Those of them after which a packet can be larger than the MTU. */
const LARGE_PACKETS: bigint = GUEST_OFFLOADS & ~bit(VIRTIO_NET_F_GUEST_CSUM);

/** What decides about the features of a device. */
export interface FeatureChoice {
  /** Whether packets may be large and their checksums unfinished. */
  readonly offload: boolean;
  /** Whether the tap splits and joins UDP datagrams. */
  readonly uso: boolean;
  /** Pairs of queues. */
  readonly pairs: number;
  /** The largest packet, if the driver is told. */
  readonly mtu: number | undefined;
}

/** The features that a device offers. */
export function offeredFeatures({ offload, uso, pairs, mtu }: FeatureChoice): bigint {
  const features = [
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_GUEST_ANNOUNCE,
    VIRTIO_NET_F_CTRL_MAC_ADDR,
  ];
  if (mtu !== undefined) features.push(VIRTIO_NET_F_MTU);
  if (pairs > 1) features.push(VIRTIO_NET_F_MQ);
  if (offload) {
    features.push(
      VIRTIO_NET_F_CSUM,
      VIRTIO_NET_F_HOST_TSO4,
      VIRTIO_NET_F_HOST_TSO6,
      VIRTIO_NET_F_HOST_ECN,
      VIRTIO_NET_F_GUEST_CSUM,
      VIRTIO_NET_F_GUEST_TSO4,
      VIRTIO_NET_F_GUEST_TSO6,
      VIRTIO_NET_F_GUEST_ECN,
      VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
    );
    if (uso) {
      features.push(VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6);
    }
  }
  return features.reduce((bits, feature) => bits | bit(feature), 0n);
}

/**
 * What a tap is told for offloads that a driver takes. A driver may have accepted one without those that it
 * requires (5.1.3.1), which the kernel would refuse; such a one is left out.
 *
 * @param offloads bits of {@linkcode GUEST_OFFLOADS}
 * @returns TUN_F_* bits
 */
export function tunOffloads(offloads: bigint): number {
  if (!hasFeature(offloads, VIRTIO_NET_F_GUEST_CSUM)) return 0;
  let flags: number = TUN_F_CSUM;
  if (hasFeature(offloads, VIRTIO_NET_F_GUEST_TSO4)) flags |= TUN_F_TSO4;
  if (hasFeature(offloads, VIRTIO_NET_F_GUEST_TSO6)) flags |= TUN_F_TSO6;
  const tso = (flags & (TUN_F_TSO4 | TUN_F_TSO6)) !== 0;
  if (tso && hasFeature(offloads, VIRTIO_NET_F_GUEST_ECN)) flags |= TUN_F_TSO_ECN;
  const uso = bit(VIRTIO_NET_F_GUEST_USO4) | bit(VIRTIO_NET_F_GUEST_USO6);
  if ((offloads & uso) === uso) flags |= TUN_USO;
  return flags;
}

/** Whether packets to the driver can be larger than the MTU. */
export function takesLargePackets(offloads: bigint): boolean {
  return (offloads & LARGE_PACKETS) !== 0n;
}

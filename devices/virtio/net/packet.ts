/**
 * The shape of packets between driver and device: a header, then an Ethernet frame.
 *
 * Source: virtio 1.2, 5.1.6 (struct virtio_net_hdr).
 * @module
 */

/** sizeof(struct virtio_net_hdr): always with num_buffers, as VIRTIO_F_VERSION_1 is required. */
export const HEADER_SIZE = 12;
/** Where in the header gso_type is, a byte. */
export const GSO_TYPE_OFFSET = 1;
/** Where in the header num_buffers is, 16 bits. */
export const NUM_BUFFERS_OFFSET = 10;
/** gso_type: the packet is to be sent as it is. */
export const VIRTIO_NET_HDR_GSO_NONE = 0;
/** gso_type: ECN is set; a flag beside the type. */
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

/** Destination, source and type of a frame (linux/if_ether.h). */
export const ETH_HLEN = 14;
/** Room for two VLAN tags. */
const VLAN_TAGS = 8;
/** The largest IP packet, which bounds what segmentation offload makes. */
const IP_MAX = 65535;

/** The most that comes before the payload of a frame. */
export const LINK_HEADER_MAX = ETH_HLEN + VLAN_TAGS;
/** The least packet that has any meaning, its header included. */
export const PACKET_MIN = HEADER_SIZE + ETH_HLEN;
/** The largest packet, its header included. */
export const PACKET_MAX = HEADER_SIZE + LINK_HEADER_MAX + IP_MAX;
/** What an Ethernet frame takes where no MTU is agreed on, header and VLAN tags included. */
export const ORDINARY_PACKET = HEADER_SIZE + LINK_HEADER_MAX + 1500;

/** How many packets one queue may move before others have a turn. */
export const PACKETS_A_TURN = 64;
/** How many bytes one queue may move before others have a turn. */
export const BYTES_A_TURN = 1 << 20;

/* Network cards (virtio 1.2, 5.1). */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include "virtio.h"

#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MAC (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_MRG_RXBUF (1ull << 15)

enum { NET_RECEIVE = 0, NET_TRANSMIT = 1, MAC_BYTES = 6 };

/* What is before each packet. */
struct net_header {
	u8 flags;
	u8 gso_type;
	u16 header_length;
	u16 gso_size;
	u16 checksum_start;
	u16 checksum_offset;
	u16 buffers;
} __attribute__((packed));
enum { NET_NEEDS_CSUM = 1, NET_GSO_TCPV4 = 1 };

/* A card with one pair of queues. */
struct card {
	struct device device;
	struct queue receive;
	struct queue transmit;
	u8 mac[MAC_BYTES];
};

/* Finds the first card and makes it ready; no buffers are in its queues. Ends the machine where there is none (80). */
void open_card(struct card *card, u64 wanted, u16 queue_size);

/* The numbers of the network are big-endian. */
static inline u16 swap16(u16 value)
{
	return __builtin_bswap16(value);
}

/* RFC 1071, of an even number of bytes, to be stored as it is. */
u16 internet_checksum(const void *bytes, size_t count);

#endif

/* Sockets between the guest and its host (virtio 1.2, 5.10): one stream at a time. */
#ifndef VIRTIO_VSOCK_H
#define VIRTIO_VSOCK_H

#include "virtio.h"

enum { VSOCK_RECEIVE = 0, VSOCK_TRANSMIT = 1, VSOCK_EVENT = 2 };

/* The host's context id, and the type of streams. */
enum { VSOCK_HOST = 2, VSOCK_STREAM = 1 };

enum vsock_op {
	VSOCK_REQUEST = 1,
	VSOCK_RESPONSE = 2,
	VSOCK_RST = 3,
	VSOCK_SHUTDOWN = 4,
	VSOCK_RW = 5,
	VSOCK_CREDIT_UPDATE = 6,
	VSOCK_CREDIT_REQUEST = 7,
};

struct vsock_header {
	u64 source_cid;
	u64 destination_cid;
	u32 source_port;
	u32 destination_port;
	u32 length;
	u16 type;
	u16 op;
	u32 flags;
	u32 buffer_size;
	u32 forwarded;
} __attribute__((packed));

/* How much may wait for the guest on a stream, which is what Linux has too, and the most bytes of a packet. */
enum { VSOCK_BUFFER = 256 << 10, VSOCK_PACKET = 64 << 10 };
/* How many packets can be on their way to the host. */
enum { VSOCK_SENDS = 32 };

/* A socket device with the stream that there is. */
struct vsock {
	struct device device;
	struct queue receive;
	struct queue transmit;
	struct queue event;
	u64 cid;
	/* Of each receive buffer: where it is. All are of one size. */
	u8 *buffers[QUEUE_MAX];
	u32 buffer_bytes;
	/* Headers of packets under way, by what is a free one's number, and which one an id has. */
	struct vsock_header headers[VSOCK_SENDS];
	u8 free[VSOCK_SENDS];
	u32 free_count;
	u8 header_of[QUEUE_MAX];
	/* The stream's ports, and whether it's open. */
	u32 port;
	u32 peer_port;
	bool open;
	/* Bytes in both directions, modulo 2^32, and what either side said of them last (5.10.6.3). */
	u32 sent;
	u32 peer_size;
	u32 peer_forwarded;
	u32 received;
	u32 told;
	/* How many packets of the stream's have come. */
	u32 heard;
};

/*
 * Finds the device and makes it ready with `count` receive buffers of `bytes` each, which lie at `buffers`. Ends the
 * machine where there is none (80).
 */
void open_vsock(struct vsock *vsock, u8 *buffers, u32 count, u32 bytes);

/* Opens a stream to a port of the host. Ends the machine where nobody listens (82). */
void vsock_connect(struct vsock *vsock, u32 port);

/* How many bytes the host would take now. */
static inline u32 vsock_credit(const struct vsock *vsock)
{
	return vsock->peer_size - (vsock->sent - vsock->peer_forwarded);
}

/* Whether another packet can be put into the queue. */
static inline bool vsock_has_room(const struct vsock *vsock)
{
	return vsock->free_count > 0;
}

/* Puts a packet into the queue, for which there is room; not announced yet. The data stay as they are until it is sent. */
void vsock_send(struct vsock *vsock, enum vsock_op op, const void *data, u32 length);

/* Takes back what was sent. */
void vsock_sent(struct vsock *vsock);

/*
 * Takes one packet; returns whether there was one. `*data` are its bytes, `*length` of them, up to the next call of
 * vsock_done, which gives the buffer back to the device. A stream that the host resets is not open any more.
 */
bool vsock_take(struct vsock *vsock, const u8 **data, u32 *length);
void vsock_done(struct vsock *vsock, const u8 *data);

/* Tells the host that there's room again, when it's time to. */
void vsock_give_credit(struct vsock *vsock);

/* Ends the stream, what the host still sends on it included. */
void vsock_close(struct vsock *vsock);

#endif

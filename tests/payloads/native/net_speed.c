/*
 * How fast a network card is, beside a program on the host's side of the tap (bench/net_peer.c): packets of 64 bytes
 * and segments of 64 KiB out, packets of 64 bytes in, and round trips. Each kind runs for `ticks=` ticks of the clock,
 * after a while that doesn't count. `sent=` is how many packets have gone out by the two kinds of the first part, in
 * all: what the host has to have seen.
 */
#include "virtio_net.h"

enum { SMALL = 64, LARGE = 65549, UNDER_WAY = 128, BUFFERS = 240, BUFFER_BYTES = 256, WARM_UP_PART = 8 };
/* Ethernet types for experiments (IEEE 802), as net_peer.c has them: a request for packets, and any packet. */
enum { TYPE_REQUEST = 0x88b5, TYPE_FILLER = 0x88b6, TYPE_IPV4 = 0x0800 };
/* A segment of TCP: where its headers begin and end, and how it's to be cut up. */
enum { IP_AT = 14, TCP_AT = 34, TCP_CHECKSUM = 16, DATA_AT = 54, SEGMENT = 1448, PROTOCOL_TCP = 6 };

struct frame {
	struct net_header header;
	u8 to[MAC_BYTES];
	u8 from[MAC_BYTES];
	u16 type;
	/* What is asked for: so many packets of so many bytes, each with the number. */
	u16 count;
	u16 length;
	u32 number;
} __attribute__((packed));

static struct card card;
static u8 out[sizeof(struct net_header) + LARGE] __attribute__((aligned(16)));
static u8 request[sizeof(struct net_header) + SMALL] __attribute__((aligned(16)));
static u8 buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(16)));
static u8 *of_id[QUEUE_MAX];
static u64 sent;

static void address(struct frame *frame, u16 type)
{
	/* Nobody's: the host's kernel drops what is sent there at once. */
	static const u8 NOBODY[MAC_BYTES] = { 0x02, 0, 0, 0, 0, 1 };
	memcpy(frame->to, NOBODY, MAC_BYTES);
	memcpy(frame->from, card.mac, MAC_BYTES);
	frame->type = swap16(type);
}

/* A segment that is the tap's to cut up (virtio 1.2, 5.1.6.2): the checksum of TCP is begun only. */
static void make_segment(void)
{
	struct frame *frame = (struct frame *)out;
	u8 *packet = out + sizeof(struct net_header);
	address(frame, TYPE_IPV4);
	frame->header.flags = NET_NEEDS_CSUM;
	frame->header.gso_type = NET_GSO_TCPV4;
	frame->header.header_length = DATA_AT;
	frame->header.gso_size = SEGMENT;
	frame->header.checksum_start = TCP_AT;
	frame->header.checksum_offset = TCP_CHECKSUM;
	u8 *ip = packet + IP_AT;
	ip[0] = 0x45;
	ip[2] = (LARGE - IP_AT) >> 8;
	ip[3] = (LARGE - IP_AT) & 0xff;
	ip[8] = 64;
	ip[9] = PROTOCOL_TCP;
	ip[12] = ip[16] = 198; /* addresses for benchmarks (RFC 2544) */
	ip[13] = ip[17] = 18;
	ip[19] = 1;
	u16 checksum = internet_checksum(ip, TCP_AT - IP_AT);
	memcpy(ip + 10, &checksum, sizeof checksum);
	packet[TCP_AT + 12] = (DATA_AT - TCP_AT) / 4 << 4;
}

/* Sends the packet in `out` again and again for so long, and tells how often. */
static u64 transmit(u32 length, u64 duration, u64 *elapsed)
{
	struct piece piece = { out, (u32)sizeof(struct net_header) + length };
	struct queue *queue = &card.transmit;
	u64 start = ticks();
	u64 done = 0;
	for (u32 i = 0; i < UNDER_WAY; i++)
		offer(queue, &piece, 1, 0);
	kick(queue);
	for (u32 under_way = UNDER_WAY; under_way > 0;) {
		wait(queue, NULL);
		bool goes_on = ticks() - start < duration;
		do {
			done++;
			if (goes_on)
				offer(queue, &piece, 1, 0);
			else
				under_way--;
		} while (take(queue, NULL) >= 0);
		kick(queue);
	}
	*elapsed = ticks() - start;
	sent += done;
	return done;
}

static u32 number;

static void ask(u16 count)
{
	struct frame *frame = (struct frame *)request;
	struct piece piece = { request, sizeof request };
	frame->count = count;
	frame->length = SMALL;
	frame->number = ++number;
	offer(&card.transmit, &piece, 1, 0);
	kick(&card.transmit);
	wait(&card.transmit, NULL);
}

/* Takes what has come; returns how many packets of it were asked for last. */
static u32 receive(void)
{
	u32 came = 0;
	int id;
	while ((id = take(&card.receive, NULL)) >= 0) {
		const struct frame *frame = (const struct frame *)of_id[id];
		came += frame->type == swap16(TYPE_FILLER) && frame->number == number;
		struct piece piece = { frame, BUFFER_BYTES };
		of_id[offer(&card.receive, &piece, 0, 1)] = (u8 *)frame;
	}
	kick(&card.receive);
	return came;
}

/* Asks for packets again and again for so long, and tells how many have come. */
static u64 exchange(u16 count, u64 duration, u64 *elapsed)
{
	u64 start = ticks();
	u64 done = 0;
	do {
		ask(count);
		for (u32 came = 0; came < count; relax())
			came += receive();
		done += count;
		*elapsed = ticks() - start;
	} while (*elapsed < duration);
	return done;
}

/* The host sends nothing on a link that has just come up: asks until there is an answer. */
static void await_peer(void)
{
	static const u64 PATIENCE = 50000000;
	u32 came = 0;
	do {
		ask(1);
		for (u64 start = ticks(); came == 0 && ticks() - start < PATIENCE; relax())
			came = receive();
	} while (came == 0);
}

int main(void)
{
	u64 duration = number_parameter("ticks", 0);
	u64 elapsed;
	open_card(&card, F_EVENT_IDX | NET_F_CSUM | NET_F_HOST_TSO4, QUEUE_MAX);
	for (u32 i = 0; i < BUFFERS; i++) {
		struct piece piece = { buffers[i], BUFFER_BYTES };
		of_id[offer(&card.receive, &piece, 0, 1)] = buffers[i];
	}
	kick(&card.receive);

	address((struct frame *)out, TYPE_FILLER);
	transmit(SMALL, duration / WARM_UP_PART, &elapsed);
	u64 done = transmit(SMALL, duration, &elapsed);
	print_rate("transmit_64", done, elapsed);

	check((card.device.features & (NET_F_CSUM | NET_F_HOST_TSO4)) == (NET_F_CSUM | NET_F_HOST_TSO4), 1);
	make_segment();
	transmit(LARGE, duration / WARM_UP_PART, &elapsed);
	done = transmit(LARGE, duration, &elapsed);
	print_rate("transmit_64k", done, elapsed);
	print_number("sent", sent);

	address((struct frame *)request, TYPE_REQUEST);
	await_peer();
	exchange(UNDER_WAY, duration / WARM_UP_PART, &elapsed);
	done = exchange(UNDER_WAY, duration, &elapsed);
	print_rate("receive_64", done, elapsed);
	exchange(1, duration / WARM_UP_PART, &elapsed);
	done = exchange(1, duration, &elapsed);
	print_rate("round_trip_64", done, elapsed);
	return 0;
}

/*
 * How fast a network card is, beside a program on the host's side of the tap (bench/net_peer.c): packets of 64 bytes
 * and segments of 64 KiB, out and in, and round trips of 64 bytes. Each kind runs for `ticks=` ticks of the clock, and
 * as long before without counting: a monitor whose code is compiled while it runs is at full speed after some tenths
 * of a second.
 *
 * What comes in is spread over buffers of 4 KiB, as Linux has them. Its length is looked at each time, and its
 * content when the clock doesn't run; the machine ends where either is wrong (2, 3). `sent=` and `sent_bytes=` are what
 * has gone out by the first two kinds: what the host has to have seen.
 */
#include "virtio_net.h"

enum { SMALL = 64, UNDER_WAY = 128, LARGE_ASKED = 32, BUFFERS = 240, BUFFER_BYTES = 4096 };
/* A segment of TCP: where its headers begin and end, and how it's to be cut up. */
enum { IP_AT = 14, TCP_AT = 34, TCP_CHECKSUM = 16, DATA_AT = 54, SEGMENT = 1448, PROTOCOL_TCP = 6 };
/* As many whole segments as an IPv4 packet has room for. */
enum { LARGE = DATA_AT + 45 * SEGMENT };
/* Ethernet types for experiments (IEEE 802), as net_peer.c has them: a request for packets, and any packet. */
enum { TYPE_REQUEST = 0x88b5, TYPE_FILLER = 0x88b6, TYPE_IPV4 = 0x0800 };

#define OFFLOADS (NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_MRG_RXBUF)

/* What is asked for: so many packets of so many bytes, each with the number behind its headers. */
struct wish {
	u16 count;
	u16 length;
	u32 number;
} __attribute__((packed));

struct frame {
	struct net_header header;
	u8 to[MAC_BYTES];
	u8 from[MAC_BYTES];
	u16 type;
	u8 content[LARGE - IP_AT];
} __attribute__((packed));

static struct card card;
static struct frame out __attribute__((aligned(16)));
static struct frame request __attribute__((aligned(16)));
static struct wish asked;
static u8 buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static u8 *of_id[QUEUE_MAX];
static u64 sent, sent_bytes;

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
	address(&out, TYPE_IPV4);
	out.header.flags = NET_NEEDS_CSUM;
	out.header.gso_type = NET_GSO_TCPV4;
	out.header.header_length = DATA_AT;
	out.header.gso_size = SEGMENT;
	out.header.checksum_start = TCP_AT;
	out.header.checksum_offset = TCP_CHECKSUM;
	u8 *ip = out.content;
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
	ip[TCP_AT - IP_AT + 12] = (DATA_AT - TCP_AT) / 4 << 4;
}

/* Sends the packet in `out` again and again for so long, and tells how often. */
static u64 transmit(u32 length, u64 duration, u64 *elapsed)
{
	struct piece piece = { &out, (u32)sizeof(struct net_header) + length };
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
	sent_bytes += done * length;
	return done;
}

static void ask(u16 count, u16 length)
{
	struct piece piece = { &request, (u32)sizeof(struct net_header) + SMALL };
	asked.count = count;
	asked.length = length;
	asked.number++;
	memcpy(request.content, &asked, sizeof asked);
	offer(&card.transmit, &piece, 1, 0);
	kick(&card.transmit);
	wait(&card.transmit, NULL);
}

/* Whether a packet's first buffer shows that it was asked for last. */
static bool is_answer(const struct frame *frame)
{
	bool large = asked.length > SMALL;
	const u8 *content = frame->content + (large ? DATA_AT - IP_AT : 0);
	return frame->type == swap16(large ? TYPE_IPV4 : TYPE_FILLER) &&
		memcmp(content, &asked, sizeof asked) == 0;
}

/* What net_peer.c puts behind the wish, at each place of a packet. */
static void look_at(const u8 *bytes, u32 count, u32 place)
{
	u32 from = (asked.length > SMALL ? DATA_AT : IP_AT) + (u32)sizeof asked;
	for (u32 i = 0; i < count; i++)
		check(place + i < from || bytes[i] == (u8)((place + i) * 7), 3);
}

/* Takes what has come; returns how many packets of it were asked for last. */
static u32 receive(bool looks)
{
	static u32 left, length;
	static bool counts;
	u32 came = 0;
	u32 written;
	int id;
	while ((id = take(&card.receive, &written)) >= 0) {
		u8 *buffer = of_id[id];
		u32 header = 0;
		if (left == 0) {
			const struct frame *frame = (const struct frame *)buffer;
			left = frame->header.buffers;
			counts = is_answer(frame);
			length = 0;
			header = sizeof frame->header;
		}
		if (looks && counts)
			look_at(buffer + header, written - header, length);
		length += written - header;
		if (--left == 0 && counts) {
			check(length == asked.length, 2);
			came++;
		}
		struct piece piece = { buffer, BUFFER_BYTES };
		of_id[offer(&card.receive, &piece, 0, 1)] = buffer;
	}
	kick(&card.receive);
	return came;
}

/* Asks for packets again and again for so long, and tells how many have come. */
static u64 exchange(u16 count, u16 length, u64 duration, bool looks, u64 *elapsed)
{
	u64 start = ticks();
	u64 done = 0;
	do {
		ask(count, length);
		for (u32 came = 0; came < count; relax())
			came += receive(looks);
		done += count;
		*elapsed = ticks() - start;
	} while (*elapsed < duration);
	return done;
}

static void time_exchange(const char *name, u16 count, u16 length, u64 duration)
{
	u64 elapsed;
	exchange(count, length, duration, false, &elapsed);
	u64 done = exchange(count, length, duration, false, &elapsed);
	print_rate(name, done, elapsed);
	exchange(count, length, 0, true, &elapsed);
}

static void time_transmit(const char *name, u32 length, u64 duration)
{
	u64 elapsed;
	transmit(length, duration, &elapsed);
	u64 done = transmit(length, duration, &elapsed);
	print_rate(name, done, elapsed);
}

/* The host sends nothing on a link that has just come up: asks until there is an answer. */
static void await_peer(void)
{
	static const u64 PATIENCE = 50000000;
	u32 came = 0;
	do {
		ask(1, SMALL);
		for (u64 start = ticks(); came == 0 && ticks() - start < PATIENCE; relax())
			came = receive(false);
	} while (came == 0);
}

int main(void)
{
	u64 duration = number_parameter("ticks", 0);
	open_card(&card, F_EVENT_IDX | OFFLOADS, QUEUE_MAX);
	check((card.device.features & OFFLOADS) == OFFLOADS, 1);
	for (u32 i = 0; i < BUFFERS; i++) {
		struct piece piece = { buffers[i], BUFFER_BYTES };
		of_id[offer(&card.receive, &piece, 0, 1)] = buffers[i];
	}
	kick(&card.receive);

	address(&out, TYPE_FILLER);
	time_transmit("transmit_64", SMALL, duration);
	make_segment();
	time_transmit("transmit_64k", LARGE, duration);
	print_number("sent", sent);
	print_number("sent_bytes", sent_bytes);

	address(&request, TYPE_REQUEST);
	await_peer();
	time_exchange("receive_64", UNDER_WAY, SMALL, duration);
	time_exchange("receive_64k", LARGE_ASKED, LARGE, duration);
	time_exchange("round_trip_64", 1, SMALL, duration);
	return 0;
}

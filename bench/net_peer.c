/*
 * The host's side of a tap in the measurement of network cards: sends what the guest asks for.
 *
 *     net_peer TAP
 *
 * A frame of type 0x88b5 holds, behind its Ethernet header, a number of packets and their length, 16 bits each, and a
 * number of 32 bits, as the guest has them in memory. The answer is so many frames with these 8 bytes in front and
 * known ones behind: of type 0x88b6, or, where they are longer than the link allows, segments of TCP over IPv4 that
 * nobody has cut up, as the host's own TCP makes them. Prints a line when it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TYPE_REQUEST = 0x88b5, TYPE_FILLER = 0x88b6, TYPE_IPV4 = 0x0800, MAC = 6, HEADER = 14 };
enum { MOST = 256, LONGEST_WHOLE = 1514, LONGEST = 65535, WISH = 8 };
/* A segment: where TCP and the data begin, and how it would be cut up. */
enum { TCP_AT = 34, DATA_AT = 54, SEGMENT = 1448, CHECKSUM = 16 };
/* Room for all that is under way; the default is less than a turn's worth of segments. */
enum { SOCKET_BUFFER = 16 << 20 };

static struct {
	struct virtio_net_hdr header;
	uint8_t frame[LONGEST];
} packet;

/* Where requests come from, and where answers go: the kernel goes by the protocol in here, not by the frame's. */
static struct sockaddr_ll address = { .sll_family = AF_PACKET };

static int listen_on(const char *tap)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(tap);
	address.sll_protocol = htons(TYPE_REQUEST);
	int one = 1, room = SOCKET_BUFFER;
	if (address.sll_ifindex == 0 || fd < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
		err(1, "listening on %s", tap);
	return fd;
}

static void put16(uint8_t *at, unsigned value)
{
	uint16_t field = htons((uint16_t)value);
	memcpy(at, &field, sizeof field);
}

/* Makes the answer out of the request, whose Ethernet header is in its place. */
static void make_answer(const uint8_t *wish, int length)
{
	uint8_t *frame = packet.frame;
	uint8_t from[MAC];
	memcpy(from, frame + MAC, MAC);
	memcpy(frame + MAC, frame, MAC);
	memcpy(frame, from, MAC);
	memset(&packet.header, 0, sizeof packet.header);
	int start = HEADER;
	if (length <= LONGEST_WHOLE) {
		put16(frame + 12, TYPE_FILLER);
	} else {
		start = DATA_AT;
		packet.header = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			.hdr_len = DATA_AT,
			.gso_size = SEGMENT,
			.csum_start = TCP_AT,
			.csum_offset = CHECKSUM,
		};
		put16(frame + 12, TYPE_IPV4);
		memset(frame + HEADER, 0, DATA_AT - HEADER);
		frame[HEADER] = 0x45;
		put16(frame + HEADER + 2, (unsigned)(length - HEADER));
		frame[HEADER + 8] = 64;
		frame[HEADER + 9] = IPPROTO_TCP;
		frame[TCP_AT + 12] = (DATA_AT - TCP_AT) / 4 << 4;
	}
	memcpy(frame + start, wish, WISH);
	memcpy(&address.sll_protocol, frame + 12, sizeof address.sll_protocol);
	for (int i = start + WISH; i < length; i++)
		frame[i] = (uint8_t)(i * 7);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(1, "usage: net_peer TAP");
	int fd = listen_on(argv[1]);
	puts("listening");
	fflush(stdout);

	static struct iovec piece = { .iov_base = &packet };
	static struct mmsghdr messages[MOST];
	for (int i = 0; i < MOST; i++)
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &address,
			.msg_namelen = sizeof address,
			.msg_iov = &piece,
			.msg_iovlen = 1,
		};
	int made = 0;
	for (;;) {
		static struct {
			struct virtio_net_hdr header;
			uint8_t frame[LONGEST_WHOLE];
		} request;
		ssize_t got = recv(fd, &request, sizeof request, 0);
		if (got < 0)
			err(1, "recv");
		if (got < (ssize_t)sizeof request.header + HEADER + WISH)
			continue;
		const uint8_t *wish = request.frame + HEADER;
		uint16_t wanted[2];
		memcpy(wanted, wish, sizeof wanted);
		int count = wanted[0] < MOST ? wanted[0] : MOST;
		int length = wanted[1] > HEADER + WISH ? wanted[1] : HEADER + WISH;
		if (length != made) {
			memcpy(packet.frame, request.frame, HEADER);
			make_answer(wish, length);
			made = length;
		}
		memcpy(packet.frame + (length <= LONGEST_WHOLE ? HEADER : DATA_AT), wish, WISH);
		piece.iov_len = sizeof packet.header + (size_t)length;
		for (int sent = 0; sent < count;) {
			int n = sendmmsg(fd, messages, (unsigned)(count - sent), 0);
			if (n < 0)
				err(1, "sendmmsg");
			sent += n;
		}
	}
}

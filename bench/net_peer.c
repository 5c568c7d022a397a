/*
 * The host's side of a tap in the measurement of network cards: sends what the guest asks for.
 *
 *     net_peer TAP
 *
 * A frame of type 0x88b5 holds, behind its Ethernet header, a number of packets and their length, 16 bits each, as the
 * guest has them in memory. The answer is so many frames of type 0x88b6 with the same bytes in front. Prints a line
 * when it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TYPE_REQUEST = 0x88b5, TYPE_FILLER = 0x88b6, HEADER = 14, MOST = 256, LONGEST = 1514 };

int main(int argc, char **argv)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(TYPE_REQUEST),
		.sll_ifindex = argc == 2 ? (int)if_nametoindex(argv[1]) : 0,
	};
	if (address.sll_ifindex == 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
		err(1, "usage: net_peer TAP");
	puts("listening");
	fflush(stdout);

	static uint8_t frame[LONGEST];
	static struct iovec piece;
	static struct mmsghdr messages[MOST];
	for (int i = 0; i < MOST; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &piece, .msg_iovlen = 1 };
	for (;;) {
		ssize_t got = recv(fd, frame, sizeof frame, 0);
		if (got < 0)
			err(1, "recv");
		if (got < HEADER + 4)
			continue;
		uint16_t wanted[2];
		memcpy(wanted, frame + HEADER, sizeof wanted);
		int count = wanted[0] < MOST ? wanted[0] : MOST;
		uint8_t from[6];
		memcpy(from, frame + 6, 6);
		memcpy(frame + 6, frame, 6);
		memcpy(frame, from, 6);
		uint16_t type = htons(TYPE_FILLER);
		memcpy(frame + 12, &type, sizeof type);
		piece = (struct iovec){ frame, wanted[1] < LONGEST ? wanted[1] : LONGEST };
		for (int sent = 0; sent < count;) {
			int n = sendmmsg(fd, messages, (unsigned)(count - sent), 0);
			if (n < 0)
				err(1, "sendmmsg");
			sent += n;
		}
	}
}

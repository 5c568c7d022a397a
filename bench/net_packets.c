/*
 * Packets through a tap as a network card moves them, one system call each: the peer of net_bench.ts.
 *
 *     net_packets OWN_TAP OTHER_TAP
 *
 * It makes OWN_TAP. Each byte of standard input is a wish; one byte of output answers when it is done. Small letters
 * are about small packets, capital ones about large segments:
 * 's' sends packets through its own tap, 'f' puts packets into that tap to be read, 'r' reads them, 'o' puts packets
 * into the other tap.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* As in net_bench.ts. */
enum { SMALL_COUNT = 800, LARGE_COUNT = 200, SMALL = 64, LARGE = 65000, HEADER = 12 };

struct packet {
	struct virtio_net_hdr_v1 header;
	unsigned char frame[LARGE];
};

static struct packet small, large, received;

static void make_packets(void)
{
	/* An Ethernet type for experiments, which the host ignores. */
	memset(small.frame, 2, 12);
	small.frame[12] = 0x88;
	small.frame[13] = 0xb5;
	memcpy(large.frame, small.frame, 12);
	unsigned char *ip = large.frame + 14;
	unsigned total = htons(LARGE - 14);
	large.frame[12] = 0x08;
	ip[0] = 0x45;
	memcpy(ip + 2, &total, 2);
	ip[8] = 64;
	ip[9] = 6;
	ip[20 + 12] = 0x50;
	large.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	large.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	large.header.hdr_len = 54;
	large.header.gso_size = 1448;
	large.header.csum_start = 34;
	large.header.csum_offset = 16;
}

static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), size = HEADER;
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNSETVNETHDRSZ, &size) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		err(1, "%s", name);
	int any = socket(AF_INET, SOCK_DGRAM, 0);
	if (any < 0 || ioctl(any, SIOCGIFFLAGS, &request))
		err(1, "%s", name);
	request.ifr_flags |= IFF_UP;
	if (ioctl(any, SIOCSIFFLAGS, &request))
		err(1, "%s", name);
	close(any);
	return fd;
}

/* A socket whose packets go out at an interface: to whoever reads the tap. */
static int open_interface(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(name),
	};
	if (fd < 0 || address.sll_ifindex == 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) ||
	    bind(fd, (struct sockaddr *)&address, sizeof address))
		err(1, "%s", name);
	return fd;
}

static void fill(int fd, struct packet *packet, int length, int count)
{
	/* A packet socket's header has no num_buffers. */
	struct iovec pieces[2] = { { &packet->header, 10 }, { packet->frame, length } };
	for (int i = 0; i < count; i++)
		if (writev(fd, pieces, 2) < 0)
			err(1, "packet socket");
}

static void transmit(int fd, struct packet *packet, int length, int count)
{
	struct iovec pieces[2] = { { &packet->header, HEADER }, { packet->frame, length } };
	for (int i = 0; i < count; i++)
		if (writev(fd, pieces, 2) < 0)
			err(1, "writing to the tap");
}

static void receive(int fd, int count)
{
	struct iovec piece = { &received, sizeof received };
	struct pollfd waiting = { fd, POLLIN, 0 };
	while (count > 0) {
		if (readv(fd, &piece, 1) > 0)
			count--;
		else if (errno != EAGAIN || poll(&waiting, 1, -1) < 0)
			err(1, "reading from the tap");
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(1, "usage: net_packets OWN_TAP OTHER_TAP");
	make_packets();
	int tap = open_tap(argv[1]);
	int near = open_interface(argv[1]), far = open_interface(argv[2]);
	char wish;
	while (read(0, &wish, 1) == 1) {
		switch (wish) {
		case 's': transmit(tap, &small, SMALL, SMALL_COUNT); break;
		case 'S': transmit(tap, &large, LARGE, LARGE_COUNT); break;
		case 'f': fill(near, &small, SMALL, SMALL_COUNT); break;
		case 'F': fill(near, &large, LARGE, LARGE_COUNT); break;
		case 'o': fill(far, &small, SMALL, SMALL_COUNT); break;
		case 'O': fill(far, &large, LARGE, LARGE_COUNT); break;
		case 'r': receive(tap, SMALL_COUNT); break;
		case 'R': receive(tap, LARGE_COUNT); break;
		}
		if (write(1, &wish, 1) != 1)
			err(1, "write");
	}
	return 0;
}

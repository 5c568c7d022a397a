/*
 * Answers on a network: who has its address (ARP), and each UDP datagram with the same text. `ip=` is its address,
 * as a number. The datagram "reset" has it reset the card and begin again, "end" ends the machine.
 */
#include "virtio_net.h"

enum { BUFFERS = 64, BUFFER_BYTES = 2048 };

struct ethernet {
	u8 to[MAC_BYTES];
	u8 from[MAC_BYTES];
	u16 type;
} __attribute__((packed));

struct arp {
	u16 hardware;
	u16 protocol;
	u8 hardware_bytes;
	u8 protocol_bytes;
	u16 operation;
	u8 sender_mac[MAC_BYTES];
	u32 sender_ip;
	u8 target_mac[MAC_BYTES];
	u32 target_ip;
} __attribute__((packed));

struct ipv4 {
	u8 version;
	u8 service;
	u16 length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 from;
	u32 to;
} __attribute__((packed));

struct udp {
	u16 from;
	u16 to;
	u16 length;
	u16 checksum;
} __attribute__((packed));

/* A packet as the card has it. */
struct packet {
	struct net_header header;
	struct ethernet ethernet;
	union {
		struct arp arp;
		struct {
			struct ipv4 ipv4;
			struct udp udp;
			u8 text[];
		};
	};
} __attribute__((packed));

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, ARP_REQUEST = 1, ARP_REPLY = 2, PROTOCOL_UDP = 17, IHL_5 = 0x45 };

static struct card card;
static u8 buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(16)));
static u8 answer[BUFFER_BYTES] __attribute__((aligned(16)));
/* The buffer of each id in the receive queue. */
static u8 *of_id[QUEUE_MAX];
static u32 ip;

static void offer_buffer(u8 *buffer)
{
	struct piece piece = { buffer, BUFFER_BYTES };
	of_id[offer(&card.receive, &piece, 0, 1)] = buffer;
	kick(&card.receive);
}

static void send(u32 length)
{
	struct packet *packet = (struct packet *)answer;
	memset(&packet->header, 0, sizeof packet->header);
	memcpy(packet->ethernet.from, card.mac, MAC_BYTES);
	/* In two pieces, of which the first ends inside of a header. */
	struct piece pieces[2] = { { answer, 20 }, { answer + 20, length - 20 } };
	offer(&card.transmit, pieces, 2, 0);
	kick(&card.transmit);
	wait(&card.transmit, NULL);
}

static void answer_arp(const struct packet *question)
{
	struct packet *packet = (struct packet *)answer;
	if (question->arp.operation != swap16(ARP_REQUEST) || question->arp.target_ip != ip)
		return;
	*packet = *question;
	packet->arp.operation = swap16(ARP_REPLY);
	packet->arp.target_ip = question->arp.sender_ip;
	memcpy(packet->arp.target_mac, question->arp.sender_mac, MAC_BYTES);
	packet->arp.sender_ip = ip;
	memcpy(packet->arp.sender_mac, card.mac, MAC_BYTES);
	memcpy(packet->ethernet.to, question->ethernet.from, MAC_BYTES);
	send(offsetof(struct packet, arp) + sizeof packet->arp);
}

static bool says(const struct packet *packet, u32 length, const char *text, u32 text_length)
{
	return length == text_length && memcmp(packet->text, text, length) == 0;
}

enum wish { GO_ON, RESET, END };

static enum wish answer_udp(const struct packet *question, u32 length)
{
	struct packet *packet = (struct packet *)answer;
	if (question->ipv4.version != IHL_5 || question->ipv4.protocol != PROTOCOL_UDP || question->ipv4.to != ip)
		return GO_ON;
	u32 udp_length = swap16(question->udp.length);
	u32 end = offsetof(struct packet, udp) + udp_length;
	check(udp_length >= sizeof(struct udp) && end <= length, 2);
	u32 text_length = udp_length - sizeof(struct udp);
	check(internet_checksum(&question->ipv4, sizeof question->ipv4) == 0, 3);

	memcpy(packet, question, end);
	memcpy(packet->ethernet.to, question->ethernet.from, MAC_BYTES);
	packet->ipv4.to = question->ipv4.from;
	packet->ipv4.from = ip;
	packet->ipv4.checksum = 0;
	packet->ipv4.checksum = internet_checksum(&packet->ipv4, sizeof packet->ipv4);
	packet->udp.from = question->udp.to;
	packet->udp.to = question->udp.from;
	packet->udp.checksum = 0; /* none was made (RFC 768) */
	send(end);
	if (says(question, text_length, "reset", 5))
		return RESET;
	return says(question, text_length, "end", 3) ? END : GO_ON;
}

static void begin_card(void)
{
	open_card(&card, number_parameter("event_idx", 0) ? F_EVENT_IDX : 0, QUEUE_MAX);
	for (u32 i = 0; i < BUFFERS; i++)
		offer_buffer(buffers[i]);
}

int main(void)
{
	ip = __builtin_bswap32((u32)number_parameter("ip", 0));
	begin_card();
	print_bytes("mac", card.mac, MAC_BYTES);
	print("ready\n");
	for (;;) {
		u32 length;
		u8 *buffer = of_id[wait(&card.receive, &length)];
		const struct packet *packet = (const struct packet *)buffer;
		check(length > offsetof(struct packet, arp) && length <= BUFFER_BYTES, 1);
		enum wish wish = GO_ON;
		if (packet->ethernet.type == swap16(TYPE_ARP))
			answer_arp(packet);
		else if (packet->ethernet.type == swap16(TYPE_IPV4))
			wish = answer_udp(packet, length);
		if (wish == END)
			break;
		if (wish == RESET) {
			begin_card();
			print("again\n");
			continue;
		}
		offer_buffer(buffer);
	}
	reset(&card.device);
	print("done\n");
	return 0;
}

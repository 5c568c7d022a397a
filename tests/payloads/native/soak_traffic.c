/*
 * Disk and net for as long as one likes: whenever a byte is typed it does a piece of work, and halts.
 *
 * A piece is `requests=` reads and writes of 4 KiB, DEPTH at a time, of which each read has to bring what was written
 * there last, and `trips=` round trips of a few packets with bench/net_peer.c behind the tap. How long requests and
 * round trips take is counted (histogram.h): reads, writes, round trips. Behind the histograms is the number of pieces
 * that are done.
 */
#include "histogram.h"
#include "terminal.h"
#include "virtio_block.h"
#include "virtio_net.h"

enum { DEPTH = 4, RECORD = 4096, WORDS = RECORD / sizeof(u32), RECORDS = 4096 };
enum { PACKET = 64, PACKETS = 4, BUFFERS = 64, BUFFER_BYTES = 256 };
/* As net_peer.c has them. */
enum { TYPE_REQUEST = 0x88b5, TYPE_FILLER = 0x88b6 };
enum { COM1_DATA = 0x3f8, COM1_LSR = 0x3fd, LSR_DR = 1 };

/* In ticks, some ten seconds: what has not come by then on a busy host is lost. */
static const u64 FOREVER = 1ull << 35;

static struct {
	struct histogram reads, writes, trips;
	u64 pieces;
} told;

static struct disk disk;
static struct card card;

/* What each lane does: its records are those whose number has the lane's number as rest. */
static struct lane {
	u32 data[WORDS] __attribute__((aligned(RECORD)));
	u32 record;
	bool writes;
	u64 start;
} lanes[DEPTH];
static struct lane *lane_of[QUEUE_MAX];
/* How often each record was written; 0 for one that has zeroes. */
static u32 generations[RECORDS];

static u32 word(u32 record, u32 i)
{
	u32 generation = generations[record];
	return generation == 0 ? 0 : record * 2654435761u + i * 40503u + generation * 2246822519u + 1;
}

static void offer_next(u32 n)
{
	struct lane *lane = &lanes[n];
	lane->record = random32() % (RECORDS / DEPTH) * DEPTH + n;
	lane->writes = random32() & 1;
	if (lane->writes) {
		generations[lane->record]++;
		for (u32 i = 0; i < WORDS; i++)
			lane->data[i] = word(lane->record, i);
	}
	u64 sector = (u64)lane->record * (RECORD / SECTOR);
	lane->start = ticks();
	lane_of[offer_request(&disk, lane->writes ? BLOCK_OUT : BLOCK_IN, sector, lane->data, RECORD)] = lane;
	kick(&disk.queue);
}

static void finish(u16 id)
{
	struct lane *lane = lane_of[id];
	count_time(lane->writes ? &told.writes : &told.reads, ticks() - lane->start);
	check(disk.statuses[id] == BLOCK_OK, 1);
	for (u32 i = 0; !lane->writes && i < WORDS; i++)
		check(lane->data[i] == word(lane->record, i), 2);
}

static void use_disk(u64 requests)
{
	for (u32 n = 0; n < DEPTH; n++)
		offer_next(n);
	for (u64 done = 0; done < requests; done++) {
		u16 id = wait(&disk.queue, NULL);
		finish(id);
		if (done + DEPTH < requests)
			offer_next((u32)(lane_of[id] - lanes));
	}
}

struct frame {
	struct net_header header;
	u8 to[MAC_BYTES];
	u8 from[MAC_BYTES];
	u16 type;
	u16 count;
	u16 length;
	u32 number;
} __attribute__((packed));

static u8 request_bytes[sizeof(struct net_header) + PACKET] __attribute__((aligned(16)));
static u8 buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(16)));
static u8 *of_id[QUEUE_MAX];

static void offer_buffer(u8 *buffer)
{
	struct piece piece = { buffer, BUFFER_BYTES };
	of_id[offer(&card.receive, &piece, 0, 1)] = buffer;
}

static u32 receive(u32 number)
{
	u32 came = 0;
	int id;
	while ((id = take(&card.receive, NULL)) >= 0) {
		const struct frame *frame = (const struct frame *)of_id[id];
		came += frame->type == swap16(TYPE_FILLER) && frame->number == number;
		offer_buffer(of_id[id]);
	}
	kick(&card.receive);
	return came;
}

/* Asks, and takes what comes, for so many ticks at most. Returns whether all has come. */
static bool round_trip(u64 patience)
{
	struct frame *frame = (struct frame *)request_bytes;
	struct piece piece = { request_bytes, sizeof request_bytes };
	frame->number++;
	u64 start = ticks();
	offer(&card.transmit, &piece, 1, 0);
	kick(&card.transmit);
	wait(&card.transmit, NULL);
	for (u32 came = 0; came < PACKETS; relax()) {
		came += receive(frame->number);
		if (ticks() - start > patience)
			return false;
	}
	count_time(&told.trips, ticks() - start);
	return true;
}

static void prepare_net(void)
{
	open_card(&card, F_EVENT_IDX, QUEUE_MAX);
	for (u32 i = 0; i < BUFFERS; i++)
		offer_buffer(buffers[i]);
	kick(&card.receive);
	struct frame *frame = (struct frame *)request_bytes;
	memset(frame->to, 0xff, MAC_BYTES);
	memcpy(frame->from, card.mac, MAC_BYTES);
	frame->type = swap16(TYPE_REQUEST);
	frame->count = PACKETS;
	frame->length = PACKET;
	/* The host sends nothing on a link that has just come up. */
	while (!round_trip(1ull << 29))
		;
}

int main(void)
{
	u64 requests = number_parameter("requests", 32);
	u64 trips = number_parameter("trips", 8);
	check(requests >= DEPTH, 3);
	open_disk(&disk, 0, F_EVENT_IDX, QUEUE_MAX);
	check(disk_sectors(&disk) == (u64)RECORDS * RECORD / SECTOR, 4);
	prepare_net();
	open_terminal();
	print_number("histograms", (uintptr_t)&told);
	print("ready\n");
	for (;;) {
		while (!(in8(COM1_LSR) & LSR_DR))
			wait_for_serial();
		in8(COM1_DATA);
		use_disk(requests);
		for (u64 i = 0; i < trips; i++)
			check(round_trip(FOREVER), 5);
		told.pieces++;
	}
}

/*
 * How fast a disk is: random reads of 4 KiB, one at a time and 32 at a time, and reads and writes of 1 MiB one
 * behind the other, two at a time. Each kind runs for `ticks=` ticks of the clock, and as long before without counting: a
 * monitor whose code is compiled while it runs is at full speed after some tenths of a second.
 *
 * Reads are of the disk's first half, writes go to the second one. Every 8 bytes of the disk hold how many such words
 * come before; what was read is looked at when the clock doesn't run, and ends the machine where it is wrong (2, 3). At
 * last all of the second half is written with the same, turned over in each bit, and with `mark=` turned over once more
 * in the upper 32 bits; `written=` tells how many bytes that is.
 */
#include "virtio_block.h"

enum { MIB = 1 << 20, SMALL = 4096, MANY = 32, LARGE_DEPTH = 2, WORD = 8 };

struct kind {
	const char *name;
	u32 type;
	u32 bytes;
	u32 depth;
	bool random;
};

static const struct kind KINDS[] = {
	{ "random_read_1", BLOCK_IN, SMALL, 1, true },
	{ "random_read_32", BLOCK_IN, SMALL, MANY, true },
	{ "read_1m", BLOCK_IN, MIB, LARGE_DEPTH, false },
	{ "write_1m", BLOCK_OUT, MIB, LARGE_DEPTH, false },
};

static struct disk disk;
/* Bytes of a half of the disk. To ask the device each time would take longer than to read. */
static u64 half;
static u8 buffers[LARGE_DEPTH * MIB] __attribute__((aligned(4096)));
/* The buffer of each request that is under way, and where on the disk its first byte is. */
static u8 *of_id[QUEUE_MAX];
static u64 place_of_id[QUEUE_MAX];

static void offer_at(const struct kind *kind, u64 place, u8 *buffer)
{
	u16 id = offer_request(&disk, kind->type, place / SECTOR, buffer, kind->bytes);
	of_id[id] = buffer;
	place_of_id[id] = place;
}

static void offer_next(const struct kind *kind, u8 *buffer)
{
	static u64 next;
	u64 slot = (kind->random ? random32() : next++) % (half / kind->bytes);
	offer_at(kind, (kind->type == BLOCK_OUT ? half : 0) + slot * kind->bytes, buffer);
}

/* What is to be at a place of the disk, with some bits turned over. */
static void fill(u8 *buffer, u32 bytes, u64 place, u64 turned)
{
	for (u32 at = 0; at < bytes; at += WORD)
		*(u64 *)(buffer + at) = (place + at) / WORD ^ turned;
}

static bool holds(const u8 *buffer, u32 bytes, u64 place, u64 turned)
{
	for (u32 at = 0; at < bytes; at += WORD) {
		if (*(const u64 *)(buffer + at) != ((place + at) / WORD ^ turned))
			return false;
	}
	return true;
}

/* Does requests for so long, and tells how many. */
static u64 run(const struct kind *kind, u64 duration, u64 *elapsed)
{
	u64 done = 0;
	u64 start = ticks();
	for (u32 i = 0; i < kind->depth; i++)
		offer_next(kind, buffers + i * kind->bytes);
	kick(&disk.queue);
	for (u32 under_way = kind->depth; under_way > 0;) {
		int id = wait(&disk.queue, NULL);
		bool goes_on = ticks() - start < duration;
		do {
			check(disk.statuses[id] == BLOCK_OK, 1);
			done++;
			if (goes_on)
				offer_next(kind, of_id[id]);
			else
				under_way--;
		} while ((id = take(&disk.queue, NULL)) >= 0);
		kick(&disk.queue);
	}
	*elapsed = ticks() - start;
	return done;
}

/* Does as many requests at once as its kind does, and looks at what they have brought. */
static void verify_reads(const struct kind *kind)
{
	memset(buffers, 0, sizeof buffers);
	for (u32 i = 0; i < kind->depth; i++)
		offer_next(kind, buffers + i * kind->bytes);
	kick(&disk.queue);
	for (u32 i = 0; i < kind->depth; i++) {
		u16 id = wait(&disk.queue, NULL);
		check(disk.statuses[id] == BLOCK_OK, 1);
		check(holds(of_id[id], kind->bytes, place_of_id[id], 0), 2);
	}
}

/* Writes all of the second half, and reads it back. */
static void verify_writes(void)
{
	u64 turned = ~(number_parameter("mark", 0) << 32);
	for (u64 place = half; place < 2 * half; place += MIB) {
		fill(buffers, MIB, place, turned);
		check(request(&disk, BLOCK_OUT, place / SECTOR, buffers, MIB) == BLOCK_OK, 1);
	}
	for (u64 place = half; place < 2 * half; place += MIB) {
		memset(buffers, 0, MIB);
		check(request(&disk, BLOCK_IN, place / SECTOR, buffers, MIB) == BLOCK_OK, 1);
		check(holds(buffers, MIB, place, turned), 3);
	}
	print_number("written", half);
}

int main(void)
{
	u64 duration = number_parameter("ticks", 0);
	open_disk(&disk, 0, BLOCK_F_FLUSH | F_EVENT_IDX, QUEUE_MAX);
	half = disk_sectors(&disk) * SECTOR / 2;
	for (u32 i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
		const struct kind *kind = &KINDS[i];
		u64 elapsed;
		run(kind, duration, &elapsed);
		u64 done = run(kind, duration, &elapsed);
		print_rate(kind->name, done, elapsed);
		if (kind->type == BLOCK_IN)
			verify_reads(kind);
	}
	verify_writes();
	return 0;
}

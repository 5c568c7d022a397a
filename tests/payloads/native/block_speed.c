/*
 * How fast a disk is: random reads of 4 KiB, one at a time and 32 at a time, and reads and writes of 1 MiB one
 * behind the other, two at a time. Each kind runs for `ticks=` ticks of the clock, after a while that doesn't count.
 */
#include "virtio_block.h"

enum { MIB = 1 << 20, SMALL = 4096, MANY = 32, LARGE_DEPTH = 2, WARM_UP_PART = 8 };

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
static u8 buffers[LARGE_DEPTH * MIB] __attribute__((aligned(4096)));
/* The buffer of each request. */
static u8 *of_id[QUEUE_MAX];

static void offer_next(const struct kind *kind, u8 *buffer)
{
	static u64 next;
	u64 slots = disk_sectors(&disk) / (kind->bytes / SECTOR);
	u64 slot = (kind->random ? random32() : next++) % slots;
	of_id[offer_request(&disk, kind->type, slot * (kind->bytes / SECTOR), buffer, kind->bytes)] = buffer;
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

int main(void)
{
	u64 duration = number_parameter("ticks", 0);
	open_disk(&disk, 0, BLOCK_F_FLUSH | F_EVENT_IDX, QUEUE_MAX);
	for (u32 i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
		u64 elapsed;
		run(&KINDS[i], duration / WARM_UP_PART, &elapsed);
		u64 done = run(&KINDS[i], duration, &elapsed);
		print_rate(KINDS[i].name, done, elapsed);
	}
	return 0;
}

/*
 * Writes to a disk and reads it back: alone, 32 requests at a time, behind its end, with requests that it doesn't
 * know, and again after a reset. Sector n of what is written holds PATTERN(n) as 32-bit numbers.
 *
 * `event_idx=1` negotiates EVENT_IDX. `resets=N` does all again so many times after a reset.
 */
#include "virtio_block.h"

enum { DEPTH = 32, LARGE_SECTORS = 2048, PIECE_SECTORS = 8 };

static struct disk disk;
static u32 data[LARGE_SECTORS * SECTOR / sizeof(u32)];
static u32 back[LARGE_SECTORS * SECTOR / sizeof(u32)];

/* What is in a sector's i-th number; `salt` is another in each lap. */
static u32 pattern(u64 sector, u32 i, u32 salt)
{
	return (u32)sector * 2654435761u + i * 40503u + salt;
}

static void fill(u32 *to, u64 sector, u32 sectors, u32 salt)
{
	for (u32 s = 0; s < sectors; s++)
		for (u32 i = 0; i < SECTOR / sizeof(u32); i++)
			*to++ = pattern(sector + s, i, salt);
}

/* Writes and reads back a range that lies at a sector, in one request each. */
static void single(u64 sector, u32 sectors, u32 salt)
{
	fill(data, sector, sectors, salt);
	memset(back, 0, sectors * SECTOR);
	check(request(&disk, BLOCK_OUT, sector, data, sectors * SECTOR) == BLOCK_OK, 1);
	check(request(&disk, BLOCK_IN, sector, back, sectors * SECTOR) == BLOCK_OK, 2);
	check(memcmp(data, back, sectors * SECTOR) == 0, 3);
}

/* The same in pieces, all of which are under way at once. */
static void many(u32 type, u32 *at, u64 sector)
{
	for (u32 i = 0; i < DEPTH; i++) {
		u32 first = i * PIECE_SECTORS;
		void *piece = (u8 *)at + first * SECTOR;
		offer_request(&disk, type, sector + first, piece, PIECE_SECTORS * SECTOR);
	}
	kick(&disk.queue);
	for (u32 i = 0; i < DEPTH; i++)
		check(disk.statuses[wait(&disk.queue, NULL)] == BLOCK_OK, 4);
}

static void lap(u32 salt)
{
	u64 sectors = disk_sectors(&disk);
	single(0, 1, salt);
	single(8, LARGE_SECTORS, salt);
	single(sectors - 1, 1, salt);

	u64 start = 8 + LARGE_SECTORS;
	fill(data, start, DEPTH * PIECE_SECTORS, salt);
	memset(back, 0, sizeof back);
	many(BLOCK_OUT, data, start);
	many(BLOCK_IN, back, start);
	check(memcmp(data, back, DEPTH * PIECE_SECTORS * SECTOR) == 0, 5);
	check(request(&disk, BLOCK_FLUSH, 0, NULL, 0) == BLOCK_OK, 6);

	u8 id[BLOCK_ID_BYTES + 1] = { 0 };
	check(request(&disk, BLOCK_GET_ID, 0, id, BLOCK_ID_BYTES) == BLOCK_OK, 7);
	print("id=");
	print((char *)id);
	print("\n");

	/* Behind the end, across it, and so far away that an address in bytes has more than 64 bits. */
	check(request(&disk, BLOCK_IN, sectors, back, SECTOR) == BLOCK_IOERR, 8);
	check(request(&disk, BLOCK_IN, sectors - 1, back, 2 * SECTOR) == BLOCK_IOERR, 9);
	check(request(&disk, BLOCK_OUT, sectors - 1, data, 2 * SECTOR) == BLOCK_IOERR, 10);
	check(request(&disk, BLOCK_OUT, ~0ull, data, SECTOR) == BLOCK_IOERR, 11);
	check(request(&disk, 0x7777, 0, NULL, 0) == BLOCK_UNSUPP, 12);
	/* And the disk is none the worse for it. */
	check(request(&disk, BLOCK_IN, sectors - 1, back, SECTOR) == BLOCK_OK, 13);
	check(back[0] == pattern(sectors - 1, 0, salt), 14);
}

/* A second disk, if there is one, is read-only and zero. */
static void read_only(u64 wanted)
{
	struct device other;
	if (!find_device(&other, VIRTIO_BLOCK, 1))
		return;
	static struct disk second;
	open_disk(&second, 1, wanted | BLOCK_F_RO, QUEUE_MAX);
	check(second.device.features & BLOCK_F_RO, 20);
	memset(back, 1, SECTOR);
	check(request(&second, BLOCK_IN, 0, back, SECTOR) == BLOCK_OK, 21);
	for (u32 i = 0; i < SECTOR / sizeof(u32); i++)
		check(back[i] == 0, 22);
	check(request(&second, BLOCK_OUT, 0, data, SECTOR) == BLOCK_IOERR, 23);
	print("second disk is read-only\n");
}

int main(void)
{
	u64 wanted = BLOCK_F_FLUSH | (number_parameter("event_idx", 0) ? F_EVENT_IDX : 0);
	u32 laps = 1 + (u32)number_parameter("resets", 0);
	for (u32 salt = 0; salt < laps; salt++) {
		/* The first time the largest queue there is, then one of another size. */
		open_disk(&disk, 0, wanted, salt == 0 ? QUEUE_MAX : 128);
		check((disk.device.features & wanted) == wanted, 30);
		if (salt == 0) {
			print_number("sectors", disk_sectors(&disk));
		} else {
			check(request(&disk, BLOCK_IN, 8, back, SECTOR) == BLOCK_OK, 31);
			check(back[0] == pattern(8, 0, salt - 1), 32);
		}
		lap(salt);
	}
	read_only(wanted);
	/* A reset in the midst of requests. None of what they read may come after it. */
	u64 start = 8 + LARGE_SECTORS;
	for (u32 i = 0; i < DEPTH; i++)
		offer_request(&disk, BLOCK_IN, start, (u8 *)back + i * SECTOR, SECTOR);
	kick(&disk.queue);
	reset(&disk.device);
	memset(back, 0, DEPTH * SECTOR);
	u64 until = ticks() + 20000000;
	while (ticks() < until)
		relax();
	for (u32 i = 0; i < DEPTH * SECTOR / sizeof(u32); i++)
		check(back[i] == 0, 33);
	print("done\n");
	return 0;
}

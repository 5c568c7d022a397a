/*
 * Writes records to a disk, many at once and without end, and tells of each that the disk has said is written:
 * `done=N` is a line for record N. Record n lies at byte n * 4096 and holds PATTERN(n) as 32-bit numbers.
 *
 * `salt=N` is part of the pattern. With `flush=1` it tells only of records that a flush has followed. When the disk
 * is full it prints "full" and does nothing more.
 */
#include "virtio_block.h"

enum { DEPTH = 32, RECORD = 4096, WORDS = RECORD / sizeof(u32) };

static struct disk disk;
static u32 data[DEPTH][WORDS] __attribute__((aligned(RECORD)));
/* Which record, and which buffer, the request of an id is about. */
static u32 record_of[QUEUE_MAX];
static u32 buffer_of[QUEUE_MAX];

static u32 pattern(u32 record, u32 i, u32 salt)
{
	return record * 2654435761u + i * 40503u + salt * 2246822519u + 1;
}

static void write_record(u32 record, u32 buffer, u32 salt)
{
	for (u32 i = 0; i < WORDS; i++)
		data[buffer][i] = pattern(record, i, salt);
	u64 sector = (u64)record * (RECORD / SECTOR);
	u16 id = offer_request(&disk, BLOCK_OUT, sector, data[buffer], RECORD);
	record_of[id] = record;
	buffer_of[id] = buffer;
}

/* Waits for a request of any record, and returns its id. */
static u16 written(void)
{
	u16 id = wait(&disk.queue, NULL);
	check(disk.statuses[id] == BLOCK_OK, 1);
	return id;
}

/* As many as the queue holds, then a flush, then word of all of them. */
static void in_batches(u32 records, u32 salt)
{
	for (u32 first = 0; first + DEPTH <= records; first += DEPTH) {
		for (u32 i = 0; i < DEPTH; i++)
			write_record(first + i, i, salt);
		kick(&disk.queue);
		for (u32 i = 0; i < DEPTH; i++)
			written();
		check(request(&disk, BLOCK_FLUSH, 0, NULL, 0) == BLOCK_OK, 2);
		for (u32 i = 0; i < DEPTH; i++)
			print_number("done", first + i);
	}
}

/* Word of each as soon as it is done, while the others are under way. */
static void one_by_one(u32 records, u32 salt)
{
	u32 next = 0;
	for (; next < DEPTH; next++)
		write_record(next, next, salt);
	kick(&disk.queue);
	for (u32 left = records; left > 0; left--) {
		u16 id = written();
		u32 record = record_of[id];
		if (next < records) {
			write_record(next++, buffer_of[id], salt);
			kick(&disk.queue);
		}
		print_number("done", record);
	}
}

int main(void)
{
	bool flush = number_parameter("flush", 0) != 0;
	u32 salt = (u32)number_parameter("salt", 0);
	open_disk(&disk, 0, F_EVENT_IDX | BLOCK_F_FLUSH, QUEUE_MAX);
	u64 records = disk_sectors(&disk) / (RECORD / SECTOR);
	check(records >= DEPTH && records <= 0xffffffff, 3);
	if (flush)
		in_batches((u32)records, salt);
	else
		one_by_one((u32)records, salt);
	print("full\n");
	rest();
}

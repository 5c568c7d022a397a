/*
 * Says what a disk that fails does to requests, by their statuses and by what they read. The faults are the host's to
 * set: an error at sector 100, a lie about writes to sector 200, and reads of sector 300 that stall until the host has
 * seen "waiting" and switches that off.
 *
 * `event_idx=1` negotiates EVENT_IDX.
 */
#include "virtio_block.h"

enum { BAD = 100, LYING = 200, STALLING = 300 };

static struct disk disk;
static u8 data[8 * SECTOR];

static void status(const char *what, u32 type, u64 sector, u32 sectors)
{
	print_number(what, request(&disk, type, sector, data, sectors * SECTOR));
}

int main(void)
{
	open_disk(&disk, 0, BLOCK_F_FLUSH | (number_parameter("event_idx", 0) ? F_EVENT_IDX : 0), QUEUE_MAX);
	status("good", BLOCK_IN, BAD - 1, 1);
	status("bad", BLOCK_IN, BAD, 1);
	status("across", BLOCK_OUT, BAD - 4, 8);
	status("flush", BLOCK_FLUSH, 0, 0);

	memset(data, 0x5a, SECTOR);
	status("lie", BLOCK_OUT, LYING, 1);
	status("back", BLOCK_IN, LYING, 1);
	print_number("byte", data[0]);

	/* One that stalls, and one that doesn't, at once: the second comes back alone. */
	u16 slow = offer_request(&disk, BLOCK_IN, STALLING, data, SECTOR);
	u16 fast = offer_request(&disk, BLOCK_IN, 0, data + SECTOR, SECTOR);
	kick(&disk.queue);
	check(wait(&disk.queue, NULL) == fast, 1);
	print("waiting\n");
	check(wait(&disk.queue, NULL) == slow, 2);
	print_number("stalled", disk.statuses[slow]);
	/*
	 * The driver may leave while a request waits: a reset ends. When the request behind it has come back, the device
	 * has seen it.
	 */
	offer_request(&disk, BLOCK_IN, STALLING + 1, data, SECTOR);
	u16 last = offer_request(&disk, BLOCK_IN, 0, data + SECTOR, SECTOR);
	kick(&disk.queue);
	while (wait(&disk.queue, NULL) != last)
		;
	reset(&disk.device);
	print("done\n");
	return 0;
}

/*
 * Reads random bytes: twice as many as are printed, in buffers of several sizes and pieces, and again after a reset.
 */
#include "virtio.h"

enum { BYTES = 64, LARGE = 64 * 1024, LAPS = 2 };

static struct device device;
static struct queue queue;
static u8 small[BYTES];
static u8 large[LARGE];

/* Fills all of a buffer. The device may give less at a time than there's room for. */
static void read_random(u8 *to, u32 count)
{
	while (count > 0) {
		u32 half = count / 2;
		struct piece pieces[2] = { { to, count - half }, { to + count - half, half } };
		u32 got;
		offer(&queue, pieces, 0, half > 0 ? 2 : 1);
		kick(&queue);
		wait(&queue, &got);
		check(got > 0 && got <= count, 1);
		to += got;
		count -= got;
	}
}

int main(void)
{
	check(find_device(&device, VIRTIO_ENTROPY, 0), 80);
	for (u32 lap = 0; lap < LAPS; lap++) {
		begin(&device, number_parameter("event_idx", 0) ? F_EVENT_IDX : 0);
		open_queue(&device, &queue, 0, QUEUE_MAX);
		go(&device);
		for (u32 i = 0; i < 2; i++) {
			memset(small, 0, BYTES);
			read_random(small, BYTES);
			print_bytes("random", small, BYTES);
		}
		memset(large, 0, LARGE);
		read_random(large, LARGE);
		u32 counts[256] = { 0 };
		for (u32 i = 0; i < LARGE; i++)
			counts[large[i]]++;
		/* Each byte value is expected 256 times; half or twice of that is eight deviations away and more. */
		for (u32 i = 0; i < 256; i++)
			check(counts[i] > 128 && counts[i] < 512, 2);
	}
	print("done\n");
	return 0;
}

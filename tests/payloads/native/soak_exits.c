/*
 * Leaves the guest without end, by a port that is written, the same port read, and a device's register read, and counts
 * how long each takes (histogram.h), in this order. Needs a device behind virtio-mmio.
 */
#include "histogram.h"
#include "virtio.h"

enum { POST = 0x80, MAGIC = 0x74726976 };

static struct histogram histograms[3];

int main(void)
{
	struct device device;
	check(parameter("mmio") != NULL && find_any_device(&device, 0), 1);
	print_number("histograms", (uintptr_t)histograms);
	print("ready\n");
	for (;;) {
		u64 start = ticks();
		out8(POST, (u8)start);
		u64 written = ticks();
		in8(POST);
		u64 seen = ticks();
		u32 magic = read32(device.base);
		u64 end = ticks();
		check(magic == MAGIC, 2);
		count_time(&histograms[0], written - start);
		count_time(&histograms[1], seen - written);
		count_time(&histograms[2], end - seen);
	}
}

/*
 * How long single accesses take to registers that do next to nothing: COM1's scratch register, written and read, and of
 * the first device behind virtio-mmio the magic value, read, and the selector of its features, written. Each access is
 * timed by itself, `count=` times of each kind, after `warm_up=` of each kind by turns.
 *
 * Prints the percentiles of each kind, in ticks of the clock: `port_write=P50/P99/P99.9`.
 */
#include "virtio.h"

enum { COM1_SCRATCH = 0x3ff, MAGIC_VALUE = 0x00, DEVICE_FEATURES_SEL = 0x14 };
enum { MAGIC = 0x74726976, MOST = 1 << 20 };

static u32 times[MOST];
static uintptr_t base;
static u8 scratch;

/* What is done between two looks at the clock, and no more: each is compiled into a loop of its own. */
#define DEFINE_KIND(name, access) \
	static void name(u32 count) \
	{ \
		for (u32 i = 0; i < count; i++) { \
			u64 start = ticks(); \
			access; \
			u64 end = ticks(); \
			times[i] = (u32)(end - start); \
		} \
	}

DEFINE_KIND(port_write, out8(COM1_SCRATCH, scratch = (u8)i))
DEFINE_KIND(port_read, check(in8(COM1_SCRATCH) == scratch, 1))
DEFINE_KIND(mmio_read, check(read32(base + MAGIC_VALUE) == MAGIC, 2))
DEFINE_KIND(mmio_write, write32(base + DEVICE_FEATURES_SEL, 0))

static void sift_down(u32 *heap, u32 at, u32 count)
{
	u32 value = heap[at];
	for (u32 child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= value)
			break;
		heap[at] = heap[child];
	}
	heap[at] = value;
}

static void sort(u32 *values, u32 count)
{
	for (u32 at = count / 2; at-- > 0;)
		sift_down(values, at, count);
	for (u32 left = count; left-- > 1;) {
		u32 largest = values[0];
		values[0] = values[left];
		values[left] = largest;
		sift_down(values, 0, left);
	}
}

/* The nearest rank of so many thousandths. */
static u32 percentile(u32 count, u32 thousandths)
{
	return times[((u64)count * thousandths + 999) / 1000 - 1];
}

static void report(const char *name, u32 count)
{
	sort(times, count);
	print(name);
	print("=");
	print_decimal(percentile(count, 500));
	print("/");
	print_decimal(percentile(count, 990));
	print("/");
	print_decimal(percentile(count, 999));
	print("\n");
}

int main(void)
{
	struct device device;
	u32 count = (u32)number_parameter("count", 0);
	check(count > 0 && count <= MOST, 3);
	check(parameter("mmio") != NULL && find_any_device(&device, 0), 4);
	base = device.base;
	for (u64 i = number_parameter("warm_up", 0); i > 0; i--) {
		port_write(1);
		port_read(1);
		mmio_read(1);
		mmio_write(1);
	}
	port_write(count);
	report("port_write", count);
	port_read(count);
	report("port_read", count);
	mmio_read(count);
	report("mmio_read", count);
	mmio_write(count);
	report("mmio_write", count);
	return 0;
}

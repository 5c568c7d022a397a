/*
 * Makes every device ready, whatever its type, with all its queues, gives the receiving ones buffers, and has
 * nothing more to do: the processor halts.
 */
#include "virtio.h"

enum { DEVICES = 16, QUEUES = 8, ENTRIES = 32, BUFFERS = 16, BUFFER_BYTES = 2048 };

static struct queue queues[DEVICES][QUEUES];
static u8 buffers[DEVICES][BUFFERS][BUFFER_BYTES];

/* The queue that the device fills by itself; none for devices that only answer. */
static int receiving(u32 type)
{
	return type == VIRTIO_NET || type == VIRTIO_CONSOLE || type == VIRTIO_VSOCK ? 0 : -1;
}

int main(void)
{
	struct device device;
	unsigned n = 0;
	for (; find_any_device(&device, n); n++) {
		check(n < DEVICES, 1);
		begin(&device, F_EVENT_IDX);
		u16 count = 0;
		while (count < QUEUES && queue_size_max(&device, count) > 0) {
			open_queue(&device, &queues[n][count], count, ENTRIES);
			count++;
		}
		go(&device);
		int filled = receiving(device.type);
		if (filled < 0)
			continue;
		for (u32 i = 0; i < BUFFERS; i++) {
			struct piece piece = { buffers[n][i], BUFFER_BYTES };
			offer(&queues[n][filled], &piece, 0, 1);
		}
		kick(&queues[n][filled]);
	}
	print_number("devices", n);
	print("idle\n");
	rest();
}

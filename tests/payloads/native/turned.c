/*
 * Drives a virtio device of the user's, of the type `type`: says `text` in one buffer of two pieces and prints what
 * comes back, `laps` times, with a reset in between; and the first byte of its configuration space.
 *
 * Where the device stops with DEVICE_NEEDS_RESET, it prints "stopped", resets it and goes on.
 */
#include "virtio.h"

enum { LENGTH = 64 };

static struct device device;
static struct queue queue;
static u8 answer[LENGTH + 1];

static size_t length_of(const char *text)
{
	size_t length = 0;
	while (text[length] != 0 && text[length] != ' ')
		length++;
	return length < LENGTH ? length : LENGTH;
}

/* Waits for the buffer, or for the device to stop. */
static bool answered(u32 *length)
{
	while (take(&queue, length) < 0) {
		if (device_status(&device) & STATUS_NEEDS_RESET)
			return false;
		relax();
	}
	return true;
}

int main(void)
{
	const char *text = parameter("text");
	u32 length = (u32)length_of(text);
	check(find_device(&device, (u32)number_parameter("type", 4242), 0), 80);
	for (u64 lap = 0; lap < number_parameter("laps", 2); lap++) {
		begin(&device, 0);
		print_number("places", *(volatile u8 *)device.config);
		open_queue(&device, &queue, 0, QUEUE_MAX);
		go(&device);
		struct piece pieces[3] = { { text, length / 2 }, { text + length / 2, length - length / 2 }, { answer, LENGTH } };
		u32 got;
		memset(answer, 0, sizeof(answer));
		offer(&queue, pieces, 2, 1);
		kick(&queue);
		if (answered(&got)) {
			check(got == length, 1);
			print((const char *)answer);
			print("\n");
		} else {
			print("stopped\n");
		}
		reset(&device);
	}
	print("done\n");
	return 0;
}

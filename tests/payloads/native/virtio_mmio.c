/* virtio over memory-mapped registers (virtio 1.2, 4.2). */
#include "virtio.h"

enum {
	MAGIC = 0x00,
	VERSION = 0x04,
	DEVICE_ID = 0x08,
	DEVICE_FEATURES = 0x10,
	DEVICE_FEATURES_SEL = 0x14,
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SEL = 0x24,
	QUEUE_SEL = 0x30,
	QUEUE_NUM_MAX = 0x34,
	QUEUE_NUM = 0x38,
	QUEUE_READY = 0x44,
	QUEUE_NOTIFY = 0x50,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_DRIVER = 0x90,
	QUEUE_DEVICE = 0xa0,
	CONFIG = 0x100,
};

static const u32 MAGIC_VALUE = 0x74726976; /* "virt" */

static bool find(struct device *device, unsigned n)
{
	const char *text = parameter("mmio");
	if (text == NULL)
		return false;
	uintptr_t base = parse_number(&text);
	text++;
	u64 stride = parse_number(&text);
	text++;
	u64 count = parse_number(&text);
	for (; count > 0; count--, base += stride) {
		if (read32(base + MAGIC) != MAGIC_VALUE || read32(base + DEVICE_ID) == 0 || n-- > 0)
			continue;
		check(read32(base + VERSION) == 2, 89);
		device->by_pci = false;
		device->base = base;
		device->type = read32(base + DEVICE_ID);
		device->config = base + CONFIG;
		return true;
	}
	return false;
}

static u32 device_features(struct device *device, u32 select)
{
	write32(device->base + DEVICE_FEATURES_SEL, select);
	return read32(device->base + DEVICE_FEATURES);
}

static void set_driver_features(struct device *device, u32 select, u32 bits)
{
	write32(device->base + DRIVER_FEATURES_SEL, select);
	write32(device->base + DRIVER_FEATURES, bits);
}

static u8 status(struct device *device)
{
	return (u8)read32(device->base + STATUS);
}

static void set_status(struct device *device, u8 status)
{
	write32(device->base + STATUS, status);
}

static u16 size_max(struct device *device, u16 index)
{
	write32(device->base + QUEUE_SEL, index);
	return (u16)read32(device->base + QUEUE_NUM_MAX);
}

static void write_address(uintptr_t to, const void *address)
{
	write32(to, (u32)(uintptr_t)address);
	write32(to + 4, (u32)((uintptr_t)address >> 32));
}

static void enable_queue(struct device *device, struct queue *queue)
{
	uintptr_t base = device->base;
	write32(base + QUEUE_SEL, queue->index);
	check(read32(base + QUEUE_READY) == 0, 88);
	write32(base + QUEUE_NUM, queue->size);
	write_address(base + QUEUE_DESC, queue->descriptors);
	write_address(base + QUEUE_DRIVER, &queue->available);
	write_address(base + QUEUE_DEVICE, &queue->used);
	write32(base + QUEUE_READY, 1);
	check(read32(base + QUEUE_READY) == 1, 93);
	queue->doorbell = base + QUEUE_NOTIFY;
	queue->doorbell16 = false;
}

const struct transport mmio_transport = {
	.find = find,
	.device_features = device_features,
	.set_driver_features = set_driver_features,
	.status = status,
	.set_status = set_status,
	.queue_size_max = size_max,
	.enable_queue = enable_queue,
};

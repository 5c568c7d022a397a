/* virtio over PCI (virtio 1.2, 4.1), on bus 0, where the monitor has placed the BARs. */
#include "virtio.h"

/* Configuration space (PCI 3.0, 6.1 and 6.2.5). */
enum {
	VENDOR_ID = 0x00,
	COMMAND = 0x04,
	COMMAND_MEMORY_MASTER = 0x06,
	STATUS = 0x06,
	STATUS_CAPABILITIES = 0x10,
	BARS = 0x10,
	BAR_IS_64 = 0x04,
	CAPABILITIES = 0x34,
	CAPABILITY_VENDOR = 0x09,
	VIRTIO_VENDOR = 0x1af4,
	FIRST_MODERN_ID = 0x1040,
	FUNCTIONS = 256,
};

/* struct virtio_pci_cap (4.1.4), and what it is about. */
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_MULTIPLIER = 16 };
enum { TYPE_COMMON = 1, TYPE_NOTIFY = 2, TYPE_DEVICE = 4 };

/* struct virtio_pci_common_cfg (4.1.4.3). */
enum {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	DEVICE_STATUS = 0x14,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
};

/* The address of four bytes behind the ports of configuration mechanism #1 (PCI 3.0, 3.2.2.3.2). */
static u16 select_register(u16 port, u8 function, u32 offset)
{
	out32(port, 0x80000000u | (u32)function << 8 | (offset & 0xfc));
	return (u16)(port + 4);
}

static u32 config_read(u8 function, u32 offset)
{
	u64 ecam = number_parameter("ecam", 0);
	if (ecam != 0)
		return read32(ecam + ((u32)function << 12) + (offset & ~3u));
	u16 port = (u16)number_parameter("ports", 0);
	return in32(select_register(port, function, offset));
}

static void config_write(u8 function, u32 offset, u32 value)
{
	u64 ecam = number_parameter("ecam", 0);
	if (ecam != 0) {
		write32(ecam + ((u32)function << 12) + offset, value);
		return;
	}
	u16 port = (u16)number_parameter("ports", 0);
	out32(select_register(port, function, offset), value);
}

static u8 config_byte(u8 function, u32 offset)
{
	return (u8)(config_read(function, offset) >> (offset % 4 * 8));
}

static uintptr_t bar_address(u8 function, u8 bar)
{
	u32 low = config_read(function, BARS + bar * 4u);
	u64 high = low & BAR_IS_64 ? config_read(function, BARS + bar * 4u + 4) : 0;
	check((low & 1) == 0 && (low & ~0xfu) != 0, 87);
	return high << 32 | (low & ~0xfu);
}

static void read_capabilities(struct device *device)
{
	u8 function = device->function;
	check(config_read(function, COMMAND) >> 16 & STATUS_CAPABILITIES, 86);
	device->common = device->notify = device->config = 0;
	for (u8 at = config_byte(function, CAPABILITIES); at != 0; at = config_byte(function, at + 1u)) {
		if (config_byte(function, at) != CAPABILITY_VENDOR)
			continue;
		u8 type = config_byte(function, at + CAP_TYPE);
		if (type != TYPE_COMMON && type != TYPE_NOTIFY && type != TYPE_DEVICE)
			continue;
		uintptr_t place = bar_address(function, config_byte(function, at + CAP_BAR)) +
			config_read(function, at + CAP_OFFSET);
		if (type == TYPE_COMMON)
			device->common = place;
		if (type == TYPE_DEVICE)
			device->config = place;
		if (type == TYPE_NOTIFY) {
			device->notify = place;
			device->notify_multiplier = config_read(function, at + CAP_MULTIPLIER);
		}
	}
	check(device->common != 0 && device->notify != 0, 85);
}

static bool find(struct device *device, unsigned n)
{
	for (unsigned function = 0; function < FUNCTIONS; function++) {
		u32 ids = config_read((u8)function, VENDOR_ID);
		if ((ids & 0xffff) != VIRTIO_VENDOR || ids >> 16 < FIRST_MODERN_ID || n-- > 0)
			continue;
		device->by_pci = true;
		device->function = (u8)function;
		device->type = (ids >> 16) - FIRST_MODERN_ID;
		u32 command = config_read(device->function, COMMAND) & 0xffff;
		config_write(device->function, COMMAND, command | COMMAND_MEMORY_MASTER);
		read_capabilities(device);
		return true;
	}
	return false;
}

static u32 device_features(struct device *device, u32 select)
{
	write32(device->common + DEVICE_FEATURE_SELECT, select);
	return read32(device->common + DEVICE_FEATURE);
}

static void set_driver_features(struct device *device, u32 select, u32 bits)
{
	write32(device->common + DRIVER_FEATURE_SELECT, select);
	write32(device->common + DRIVER_FEATURE, bits);
}

static u8 status(struct device *device)
{
	return read8(device->common + DEVICE_STATUS);
}

static void set_status(struct device *device, u8 status)
{
	write8(device->common + DEVICE_STATUS, status);
}

static u16 size_max(struct device *device, u16 index)
{
	write16(device->common + QUEUE_SELECT, index);
	return read16(device->common + QUEUE_SIZE);
}

static void write_address(uintptr_t to, const void *address)
{
	write32(to, (u32)(uintptr_t)address);
	write32(to + 4, (u32)((uintptr_t)address >> 32));
}

static void enable_queue(struct device *device, struct queue *queue)
{
	uintptr_t common = device->common;
	write16(common + QUEUE_SELECT, queue->index);
	check(read16(common + QUEUE_ENABLE) == 0, 88);
	write16(common + QUEUE_SIZE, queue->size);
	write_address(common + QUEUE_DESC, queue->descriptors);
	write_address(common + QUEUE_DRIVER, &queue->available);
	write_address(common + QUEUE_DEVICE, &queue->used);
	write16(common + QUEUE_ENABLE, 1);
	check(read16(common + QUEUE_ENABLE) == 1, 93);
	u32 doorbell = read16(common + QUEUE_NOTIFY_OFF) * device->notify_multiplier;
	queue->doorbell = device->notify + doorbell;
	queue->doorbell16 = true;
}

const struct transport pci_transport = {
	.find = find,
	.device_features = device_features,
	.set_driver_features = set_driver_features,
	.status = status,
	.set_status = set_status,
	.queue_size_max = size_max,
	.enable_queue = enable_queue,
};

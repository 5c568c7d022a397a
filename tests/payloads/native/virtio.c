#include "virtio.h"

static const struct transport *transport_of(const struct device *device)
{
	return device->by_pci ? &pci_transport : &mmio_transport;
}

bool find_any_device(struct device *device, unsigned n)
{
	return (parameter("mmio") != NULL ? &mmio_transport : &pci_transport)->find(device, n);
}

bool find_device(struct device *device, u32 type, unsigned n)
{
	for (unsigned i = 0; find_any_device(device, i); i++) {
		if (device->type == type && n-- == 0)
			return true;
	}
	return false;
}

u64 offered_features(struct device *device)
{
	const struct transport *transport = transport_of(device);
	u64 high = transport->device_features(device, 1);
	return high << 32 | transport->device_features(device, 0);
}

u8 device_status(struct device *device)
{
	return transport_of(device)->status(device);
}

void reset(struct device *device)
{
	transport_of(device)->set_status(device, 0);
	while (device_status(device) != 0)
		relax();
}

void begin(struct device *device, u64 wanted)
{
	const struct transport *transport = transport_of(device);
	reset(device);
	transport->set_status(device, STATUS_ACKNOWLEDGE);
	transport->set_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	u64 offered = offered_features(device);
	check(offered & F_VERSION_1, 90);
	device->features = offered & (wanted | F_VERSION_1);
	transport->set_driver_features(device, 0, (u32)device->features);
	transport->set_driver_features(device, 1, (u32)(device->features >> 32));
	transport->set_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	check(device_status(device) & STATUS_FEATURES_OK, 91);
}

u16 queue_size_max(struct device *device, u16 index)
{
	return transport_of(device)->queue_size_max(device, index);
}

/* How far away the entry is that would have the device interrupt: too far to be reached before it is moved on. */
enum { FAR = 0x8000 };

void open_queue(struct device *device, struct queue *queue, u16 index, u16 size)
{
	u16 max = queue_size_max(device, index);
	check(max > 0, 92);
	memset(queue, 0, sizeof *queue);
	queue->index = index;
	queue->size = size < max ? size : max;
	queue->event_idx = (device->features & F_EVENT_IDX) != 0;
	if (queue->event_idx)
		/* It stands behind the ring, however long that is. */
		queue->available.ring[queue->size] = FAR;
	else
		queue->available.flags = 1; /* VIRTQ_AVAIL_F_NO_INTERRUPT */
	for (u16 i = 0; i < queue->size; i++)
		queue->descriptors[i].next = (u16)(i + 1);
	queue->free_count = queue->size;
	transport_of(device)->enable_queue(device, queue);
}

void go(struct device *device)
{
	const struct transport *transport = transport_of(device);
	transport->set_status(device, transport->status(device) | STATUS_DRIVER_OK);
	check(!(device_status(device) & (STATUS_NEEDS_RESET | STATUS_FAILED)), 94);
}

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };

u16 offer(struct queue *queue, const struct piece *pieces, unsigned readable, unsigned writable)
{
	unsigned count = readable + writable;
	check(count > 0 && queue->free_count >= count, 95);
	u16 head = queue->free;
	for (unsigned i = 0; i < count; i++) {
		struct descriptor *descriptor = &queue->descriptors[queue->free];
		descriptor->address = (uintptr_t)pieces[i].start;
		descriptor->length = pieces[i].length;
		descriptor->flags = (u16)((i + 1 < count ? DESCRIPTOR_NEXT : 0) |
			(i >= readable ? DESCRIPTOR_WRITE : 0));
		queue->free = descriptor->next;
	}
	queue->free_count = (u16)(queue->free_count - count);
	queue->available.ring[queue->offered % queue->size] = head;
	queue->offered++;
	__atomic_store_n(&queue->available.index, queue->offered, __ATOMIC_RELEASE);
	return head;
}

static bool wants_to_know(struct queue *queue)
{
	if (!queue->event_idx)
		return !(__atomic_load_n(&queue->used.flags, __ATOMIC_RELAXED) & 1);
	/* avail_event stands behind the used ring (2.7.10). */
	u16 event = __atomic_load_n((u16 *)&queue->used.ring[queue->size], __ATOMIC_RELAXED);
	return (u16)(queue->offered - event - 1) < (u16)(queue->offered - queue->told);
}

void kick(struct queue *queue)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bool wanted = queue->offered != queue->told && wants_to_know(queue);
	queue->told = queue->offered;
	if (!wanted)
		return;
	if (queue->doorbell16)
		write16(queue->doorbell, queue->index);
	else
		write32(queue->doorbell, queue->index);
}

int take(struct queue *queue, u32 *length)
{
	if (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) == queue->taken)
		return -1;
	unsigned at = queue->taken % queue->size;
	u32 id = queue->used.ring[at].id;
	check(id < queue->size, 96);
	if (length != NULL)
		*length = queue->used.ring[at].length;
	queue->taken++;
	if (queue->event_idx && queue->taken % (FAR / 2) == 0)
		__atomic_store_n(&queue->available.ring[queue->size], (u16)(queue->taken + FAR), __ATOMIC_RELAXED);
	u16 last = (u16)id;
	u16 count = 1;
	for (; queue->descriptors[last].flags & DESCRIPTOR_NEXT; count++)
		last = queue->descriptors[last].next;
	queue->descriptors[last].next = queue->free;
	queue->free = (u16)id;
	queue->free_count = (u16)(queue->free_count + count);
	return (int)id;
}

u16 wait(struct queue *queue, u32 *length)
{
	int id;
	while ((id = take(queue, length)) < 0)
		relax();
	return (u16)id;
}

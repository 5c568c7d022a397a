/*
 * A small virtio driver that polls, for both transports and split virtqueues. Addresses are guest physical ones:
 * memory is mapped one to one.
 *
 * Source: virtio 1.2, chapters 2.7 (split virtqueues), 3.1 (initialization) and 4.1, 4.2 (transports). Every
 * monitor to be driven has "modern" devices; there is no legacy here.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "runtime.h"

/* Device types (5). */
enum {
	VIRTIO_NET = 1,
	VIRTIO_BLOCK = 2,
	VIRTIO_CONSOLE = 3,
	VIRTIO_ENTROPY = 4,
	VIRTIO_BALLOON = 5,
	VIRTIO_VSOCK = 19,
};

/* Feature bits that are no device's own (6). */
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)

/* The device status field (2.1). */
enum {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
	STATUS_FAILED = 128,
};

/* The most entries that a queue gets here. */
enum { QUEUE_MAX = 256 };

struct descriptor {
	u64 address;
	u32 length;
	u16 flags;
	u16 next;
};

/* One virtqueue, with its areas in place. */
struct queue {
	struct descriptor descriptors[QUEUE_MAX] __attribute__((aligned(16)));
	struct {
		u16 flags;
		u16 index;
		/* And behind the last entry that the queue has, used_event. */
		u16 ring[QUEUE_MAX + 1];
	} available __attribute__((aligned(4096)));
	struct {
		u16 flags;
		u16 index;
		struct {
			u32 id;
			u32 length;
		/* And behind the last entry that the queue has, avail_event. */
		} ring[QUEUE_MAX + 1];
	} used __attribute__((aligned(4096)));
	u16 size;
	bool event_idx;
	/* The descriptors that are free, linked by `next`. */
	u16 free;
	u16 free_count;
	/* What is in the ring, and up to where the device was told of it. */
	u16 offered;
	u16 told;
	/* The used entries that were taken. */
	u16 taken;
	/* Writing the queue's index here, 16 bits of it over PCI, tells the device. */
	uintptr_t doorbell;
	bool doorbell16;
	u16 index;
};

/* A device that was found. */
struct device {
	u32 type;
	/* By PCI: the function's number on bus 0, and the structures of 4.1.4; else the registers of 4.2.2. */
	bool by_pci;
	u8 function;
	uintptr_t base;
	uintptr_t common;
	uintptr_t notify;
	u32 notify_multiplier;
	/* The device's own configuration. */
	uintptr_t config;
	u64 features;
};

/*
 * Finds the n-th device of a type, by the transport that the command line names:
 *
 *   mmio=BASE,STRIDE,COUNT    places of virtio-mmio devices
 *   ecam=BASE                 PCI's configuration space in memory
 *   ports=0xcf8               PCI's configuration space behind two ports
 */
bool find_device(struct device *device, u32 type, unsigned n);

/* The same for the n-th device of any type. */
bool find_any_device(struct device *device, unsigned n);

/*
 * Resets the device and negotiates: of what it offers, VERSION_1 and what is in `wanted`. Ends the machine where it
 * doesn't agree (90 to 92).
 */
void begin(struct device *device, u64 wanted);

/* What the device offers. */
u64 offered_features(struct device *device);

/* How many entries its queue may have at most; 0 where there is no such queue. */
u16 queue_size_max(struct device *device, u16 index);

/* Sets up a queue with `size` entries, less if the device allows less. Ends the machine on failure (93). */
void open_queue(struct device *device, struct queue *queue, u16 index, u16 size);

/* Says that the driver is ready. Ends the machine where the device isn't (94). */
void go(struct device *device);

/* Resets the device and waits until it is. */
void reset(struct device *device);

u8 device_status(struct device *device);

/* The transports' parts; `virtio.c` chooses between them. */
extern const struct transport {
	bool (*find)(struct device *device, unsigned n);
	u32 (*device_features)(struct device *device, u32 select);
	void (*set_driver_features)(struct device *device, u32 select, u32 bits);
	u8 (*status)(struct device *device);
	void (*set_status)(struct device *device, u8 status);
	u16 (*queue_size_max)(struct device *device, u16 index);
	void (*enable_queue)(struct device *device, struct queue *queue);
} mmio_transport, pci_transport;

/* One piece of a buffer. */
struct piece {
	const void *start;
	u32 length;
};

/*
 * Puts a buffer into the queue: first the pieces that the device reads, then those that it writes. Not announced
 * yet. Returns the buffer's id, which is less than the queue's size; ends the machine where there's no room (95).
 */
u16 offer(struct queue *queue, const struct piece *pieces, unsigned readable, unsigned writable);

/* Announces what was put in, if the device wants to hear of it. */
void kick(struct queue *queue);

/* Takes a buffer back that is used; -1 where none is. `*length` is what the device says it has written. */
int take(struct queue *queue, u32 *length);

/* Waits for one. */
u16 wait(struct queue *queue, u32 *length);

#endif

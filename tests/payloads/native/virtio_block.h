/* Requests of disks (virtio 1.2, 5.2). */
#ifndef VIRTIO_BLOCK_H
#define VIRTIO_BLOCK_H

#include "virtio.h"

#define BLOCK_F_RO (1ull << 5)
#define BLOCK_F_FLUSH (1ull << 9)

enum { BLOCK_IN = 0, BLOCK_OUT = 1, BLOCK_FLUSH = 4, BLOCK_GET_ID = 8 };
enum { BLOCK_OK = 0, BLOCK_IOERR = 1, BLOCK_UNSUPP = 2 };
enum { SECTOR = 512, BLOCK_ID_BYTES = 20 };

/* A disk with one queue. A request's header and status lie beside its id. */
struct disk {
	struct device device;
	struct queue queue;
	struct {
		u32 type;
		u32 reserved;
		u64 sector;
	} headers[QUEUE_MAX];
	u8 statuses[QUEUE_MAX];
};

/* Finds the n-th disk and makes it ready. Ends the machine where there is none (80). */
void open_disk(struct disk *disk, unsigned n, u64 wanted, u16 queue_size);

/* Its size in sectors. */
u64 disk_sectors(struct disk *disk);

/* Puts a request into the queue, and returns its id; not announced yet. A request without data has a length of 0. */
u16 offer_request(struct disk *disk, u32 type, u64 sector, void *data, u32 length);

/* Does one request to its end, and returns its status. */
u8 request(struct disk *disk, u32 type, u64 sector, void *data, u32 length);

#endif

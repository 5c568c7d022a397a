#include "virtio_block.h"

enum { NO_STATUS = 0xff };

void open_disk(struct disk *disk, unsigned n, u64 wanted, u16 queue_size)
{
	check(find_device(&disk->device, VIRTIO_BLOCK, n), 80);
	begin(&disk->device, wanted);
	open_queue(&disk->device, &disk->queue, 0, queue_size);
	go(&disk->device);
}

u64 disk_sectors(struct disk *disk)
{
	u64 high = read32(disk->device.config + 4);
	return high << 32 | read32(disk->device.config);
}

u16 offer_request(struct disk *disk, u32 type, u64 sector, void *data, u32 length)
{
	/* The chain's head is the next descriptor that is free. */
	u16 id = disk->queue.free;
	struct piece pieces[3];
	unsigned count = 0;
	disk->headers[id].type = type;
	disk->headers[id].reserved = 0;
	disk->headers[id].sector = sector;
	disk->statuses[id] = NO_STATUS;
	pieces[count++] = (struct piece){ &disk->headers[id], sizeof disk->headers[id] };
	if (length > 0)
		pieces[count++] = (struct piece){ data, length };
	pieces[count++] = (struct piece){ &disk->statuses[id], 1 };
	unsigned readable = type == BLOCK_OUT ? count - 1 : 1;
	u16 offered = offer(&disk->queue, pieces, readable, count - readable);
	check(offered == id, 81);
	return id;
}

u8 request(struct disk *disk, u32 type, u64 sector, void *data, u32 length)
{
	u16 id = offer_request(disk, type, sector, data, length);
	u32 written;
	kick(&disk->queue);
	check(wait(&disk->queue, &written) == id, 82);
	u8 status = disk->statuses[id];
	check(status != NO_STATUS, 83);
	/* What is written tells the truth for a request that was done: 2.7.8.2. */
	bool reads = type == BLOCK_IN || type == BLOCK_GET_ID;
	check(status != BLOCK_OK || written == (reads ? length : 0) + 1, 84);
	return status;
}

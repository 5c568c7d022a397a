#include "disk_check.h"
#include "virtio_block.h"

enum { BLOCK = 65536, MOST_BLOCKS = 16 };

static struct disk disk;
static u32 data[BLOCK / sizeof(u32)];
static u32 back[BLOCK / sizeof(u32)];

static void print_size(u64 bytes)
{
	static const char *const UNITS[] = { " bytes", " KiB", " MiB", " GiB", " TiB" };
	unsigned unit = 0;
	while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	print_decimal(bytes);
	print(UNITS[unit]);
}

/* What is tried: so many bytes from the disk's beginning. */
static u64 extent(u64 sectors)
{
	u64 bytes = sectors * SECTOR;
	return bytes < BLOCK * MOST_BLOCKS ? bytes : BLOCK * MOST_BLOCKS;
}

static u32 length_at(u64 offset, u64 end)
{
	return end - offset < BLOCK ? (u32)(end - offset) : BLOCK;
}

static bool failed(const char *what, u64 offset, u8 status)
{
	print(what);
	print(" at byte ");
	print_decimal(offset);
	print(" FAILED with status ");
	print_decimal(status);
	print("\n");
	return false;
}

static bool read_all(u64 end)
{
	for (u64 offset = 0; offset < end; offset += BLOCK) {
		u8 status = request(&disk, BLOCK_IN, offset / SECTOR, back, length_at(offset, end));
		if (status != BLOCK_OK)
			return failed("reading", offset, status);
	}
	return true;
}

/* What is in the i-th number of a block; another in each round. */
static u32 pattern(u64 offset, u32 i, u32 round)
{
	return (u32)(offset / SECTOR) * 2654435761u + i * 40503u + round * 69069u;
}

static void fill(u64 offset, u32 round)
{
	for (u32 i = 0; i < BLOCK / sizeof(u32); i++)
		data[i] = pattern(offset, i, round);
}

static bool write_and_read(u64 end)
{
	static u32 round;
	round++;
	for (u64 offset = 0; offset < end; offset += BLOCK) {
		fill(offset, round);
		u8 status = request(&disk, BLOCK_OUT, offset / SECTOR, data, length_at(offset, end));
		if (status != BLOCK_OK)
			return failed("writing", offset, status);
	}
	if (disk.device.features & BLOCK_F_FLUSH) {
		u8 status = request(&disk, BLOCK_FLUSH, 0, NULL, 0);
		if (status != BLOCK_OK)
			return failed("a flush", 0, status);
	}
	for (u64 offset = 0; offset < end; offset += BLOCK) {
		u32 length = length_at(offset, end);
		fill(offset, round);
		memset(back, 0, length);
		u8 status = request(&disk, BLOCK_IN, offset / SECTOR, back, length);
		if (status != BLOCK_OK)
			return failed("reading", offset, status);
		if (memcmp(data, back, length) != 0) {
			print("what was read is NOT what was written, behind byte ");
			print_decimal(offset);
			print("\n");
			return false;
		}
	}
	return true;
}

bool check_disk(unsigned n, bool scratch, bool *good)
{
	struct device device;
	if (!find_device(&device, VIRTIO_BLOCK, n))
		return false;
	open_disk(&disk, n, BLOCK_F_RO | BLOCK_F_FLUSH, QUEUE_MAX);
	u64 sectors = disk_sectors(&disk);
	u64 end = extent(sectors);
	char id[BLOCK_ID_BYTES + 1] = { 0 };
	request(&disk, BLOCK_GET_ID, 0, id, BLOCK_ID_BYTES);
	print("disk \"");
	print(id);
	print("\" of ");
	print_size(sectors * SECTOR);
	print(": ");
	bool read_only = (disk.device.features & BLOCK_F_RO) != 0;
	if (scratch && !read_only ? write_and_read(end) : read_all(end)) {
		if (scratch && !read_only) {
			print("wrote ");
			print_size(end);
			print(", flushed, read it back: all as written\n");
		} else {
			print("read ");
			print_size(end);
			print(read_only ? " (it is read-only)\n" : " (it is yours: nothing is written to it)\n");
		}
	} else {
		*good = false;
	}
	reset(&disk.device);
	return true;
}

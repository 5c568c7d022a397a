/*
 * Reads of a file as a disk does them, with plain system calls: the peer of block_bench.ts.
 *
 *     block_reads FILE
 *
 * Each byte of standard input is a wish; one byte of output answers when it is done:
 * '1' reads random blocks of 4 KiB, one after another; 'm' reads the file in pieces of 1 MiB.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096, READS = 2000, PIECE = 1 << 20 };

static char buffer[PIECE];

static void read_at(int fd, size_t length, off_t at)
{
	if (pread(fd, buffer, length, at) != (ssize_t)length)
		err(1, "pread");
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	struct stat status;
	if (fd < 0 || fstat(fd, &status) != 0)
		err(1, "usage: block_reads FILE");
	uint32_t seed = 1;
	char wish;
	while (read(0, &wish, 1) == 1) {
		if (wish == '1') {
			for (int i = 0; i < READS; i++) {
				seed = seed * 1664525u + 1013904223u;
				read_at(fd, BLOCK, (off_t)((seed >> 8) % (status.st_size / BLOCK)) * BLOCK);
			}
		} else {
			for (off_t at = 0; at < status.st_size; at += PIECE)
				read_at(fd, PIECE, at);
		}
		if (write(1, &wish, 1) != 1)
			err(1, "write");
	}
	return 0;
}

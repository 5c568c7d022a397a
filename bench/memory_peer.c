/*
 * Guest memory as a monitor in C has it, an array: the peer of memory_bench.ts.
 *
 * Each byte of standard input is a wish; one byte of output answers when it is done: 'r' reads a million words of 4
 * bytes in an order that strides over the memory, 'w' writes them; 'c' copies all of it out in pages, 'i' copies pages
 * into all of it; 'm' maps 512 MiB of a memfd, touches one byte in each 2 MiB, and gives it back.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 64 << 20, WORDS = 1000000, STRIDE = 4 * 4099, PAGE = 4096 };
enum { LARGE = 512 << 20, HUGE_PAGE = 2 << 20 };

static uint8_t *map(size_t size)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, size) != 0)
		err(1, "memfd_create");
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	close(fd);
	return memory;
}

int main(void)
{
	uint8_t *memory = map(SIZE);
	static uint8_t page[PAGE];
	char wish;
	memset(memory, 1, SIZE);
	while (read(0, &wish, 1) == 1) {
		uint32_t at = 0;
		switch (wish) {
		case 'r':
			for (int i = 0; i < WORDS; i++, at = (at + STRIDE) % SIZE)
				(void)*(volatile uint32_t *)(memory + at);
			break;
		case 'w':
			for (int i = 0; i < WORDS; i++, at = (at + STRIDE) % SIZE)
				*(volatile uint32_t *)(memory + at) = i;
			break;
		case 'c':
			for (; at < SIZE; at += PAGE) {
				memcpy(page, memory + at, PAGE);
				__asm__ volatile("" ::: "memory");
			}
			break;
		case 'i':
			for (; at < SIZE; at += PAGE)
				memcpy(memory + at, page, PAGE);
			break;
		default: {
			uint8_t *large = map(LARGE);
			for (at = 0; at < LARGE; at += HUGE_PAGE)
				large[at] = 1;
			munmap(large, LARGE);
		}
		}
		if (write(1, &wish, 1) != 1)
			err(1, "write");
	}
	return 0;
}

/*
 * The event loop's work on io_uring in C, with plain system calls: the peer of io_loop_bench.ts.
 *
 *     io_loop FILE
 *
 * Each byte of standard input is a wish: 'r' reads, 'e' signals an eventfd; one byte of output answers when done.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 256, DEPTH = 32, BLOCK = 4096, READS = 20000, SIGNALS = 20000 };

static int ring;
static unsigned *sq_tail, *sq_array, *cq_head, *cq_tail, sq_mask, cq_mask, queued;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static void set_up(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
			IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = ENTRIES * 4,
	};
	ring = syscall(__NR_io_uring_setup, ENTRIES, &p);
	if (ring < 0)
		err(1, "io_uring_setup");
	size_t size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	size_t other = p.sq_off.array + p.sq_entries * sizeof(unsigned);
	char *rings = mmap(NULL, size > other ? size : other, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (rings == MAP_FAILED || sqes == MAP_FAILED)
		err(1, "mmap");
	sq_tail = (unsigned *)(rings + p.sq_off.tail);
	sq_array = (unsigned *)(rings + p.sq_off.array);
	sq_mask = *(unsigned *)(rings + p.sq_off.ring_mask);
	cq_head = (unsigned *)(rings + p.cq_off.head);
	cq_tail = (unsigned *)(rings + p.cq_off.tail);
	cq_mask = *(unsigned *)(rings + p.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
	for (unsigned i = 0; i < p.sq_entries; i++)
		sq_array[i] = i;
}

static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe = &sqes[(*sq_tail + queued) & sq_mask];
	memset(sqe, 0, sizeof *sqe);
	queued++;
	return sqe;
}

static void enter(void)
{
	struct io_uring_getevents_arg arg = { 0 };
	__atomic_store_n(sq_tail, *sq_tail + queued, __ATOMIC_RELEASE);
	long taken = syscall(__NR_io_uring_enter, ring, queued, 1,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
	if (taken != queued)
		err(1, "io_uring_enter");
	queued = 0;
}

static int file;
static uint32_t blocks, seed = 1;
static char *buffers;

static void read_block(unsigned slot)
{
	seed = seed * 1664525 + 1013904223;
	struct io_uring_sqe *sqe = entry();
	sqe->opcode = IORING_OP_READ;
	sqe->fd = file;
	sqe->off = (uint64_t)((seed >> 8) % blocks) * BLOCK;
	sqe->addr = (uintptr_t)(buffers + slot * BLOCK);
	sqe->len = BLOCK;
	sqe->user_data = slot;
}

static void reads(void)
{
	unsigned left = READS, started = 0;
	for (; started < DEPTH; started++)
		read_block(started);
	while (left > 0) {
		enter();
		unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
		for (; head != tail; head++) {
			struct io_uring_cqe *cqe = &cqes[head & cq_mask];
			if (cqe->res != BLOCK)
				errx(1, "read: %d", cqe->res);
			left--;
			if (started < READS) {
				started++;
				read_block(cqe->user_data);
			}
		}
		__atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
	}
}

static void signals(int event)
{
	for (unsigned seen = 0; seen < SIGNALS;) {
		uint64_t one = 1;
		if (write(event, &one, sizeof one) != sizeof one)
			err(1, "write");
		enter();
		unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
		for (; head != tail; head++) {
			struct io_uring_cqe *cqe = &cqes[head & cq_mask];
			if (cqe->res != POLLIN || !(cqe->flags & IORING_CQE_F_MORE))
				errx(1, "poll: %d", cqe->res);
			seen++;
		}
		__atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
	}
}

int main(int argc, char **argv)
{
	struct stat status;
	char wish;
	if (argc != 2)
		errx(2, "usage: io_loop FILE");
	file = open(argv[1], O_RDONLY);
	if (file < 0 || fstat(file, &status) < 0)
		err(1, "%s", argv[1]);
	blocks = status.st_size / BLOCK;
	buffers = aligned_alloc(BLOCK, DEPTH * BLOCK);
	memset(buffers, 0, DEPTH * BLOCK);
	set_up();
	int event = eventfd(0, EFD_NONBLOCK);
	struct io_uring_sqe *poll = entry();
	poll->opcode = IORING_OP_POLL_ADD;
	poll->fd = event;
	poll->len = IORING_POLL_ADD_MULTI;
	poll->poll32_events = POLLIN;
	while (read(0, &wish, 1) == 1) {
		if (wish == 'r')
			reads();
		else
			signals(event);
		if (write(1, &wish, 1) != 1)
			err(1, "write");
	}
	return 0;
}

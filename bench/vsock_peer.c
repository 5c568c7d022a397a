/*
 * The host's side in the measurement of sockets between guest and host, and a guest's stand-in: what a pair of Unix
 * sockets does with nothing between.
 *
 *     vsock_peer PATH              serves PATH_1 (takes all that comes), PATH_2 (gives without end), PATH_3 (gives back)
 *     vsock_peer PATH NANOSECONDS  does what tests/payloads/native/vsock_speed.c does, at the sockets of another one
 *
 * Instead of PATH there can be @CID: ports 1 to 3 of vsock(7), at that address; @-1 to serve at any. Who serves prints a
 * line when it listens, and at the end of each connection to the first socket how many bytes came by it. A stream is the
 * same 64 KiB again and again, in which each word has its number.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

enum { PERIOD = 65536, SMALL = 4096, PING = 64, PORTS = 3, WARM_UP_PART = 8 };
enum { PORT_SINK = 1, PORT_SOURCE = 2, PORT_ECHO = 3 };

static uint32_t pattern[PERIOD / 4];
static uint32_t into[PERIOD / 4];

union address {
	struct sockaddr any;
	struct sockaddr_un path;
	struct sockaddr_vm vm;
};

/* A new socket for an address, which is filled in; its length is returned. */
static socklen_t prepare(const char *place, int port, union address *address, int *fd)
{
	memset(address, 0, sizeof *address);
	socklen_t length = sizeof address->vm;
	if (place[0] == '@') {
		address->vm.svm_family = AF_VSOCK;
		address->vm.svm_cid = (unsigned)strtol(place + 1, NULL, 10);
		address->vm.svm_port = (unsigned)port;
	} else {
		length = sizeof address->path;
		address->path.sun_family = AF_UNIX;
		int size = (int)sizeof address->path.sun_path;
		if (snprintf(address->path.sun_path, (size_t)size, "%s_%d", place, port) >= size)
			errx(1, "the path is too long: %s", place);
	}
	*fd = socket(address->any.sa_family, SOCK_STREAM, 0);
	if (*fd < 0)
		err(1, "socket");
	return length;
}

/* Takes what is there, at most `most` bytes; 0 at the end. `at` is how many came before. */
static size_t take(int fd, uint64_t at, size_t most)
{
	ssize_t count = read(fd, into, most);
	if (count < 0 && errno != ECONNRESET)
		err(1, "read");
	if (count >= 4 && at % 4 == 0 && into[0] != at % PERIOD / 4)
		errx(1, "byte %" PRIu64 " of a stream is not what was sent", at);
	return count > 0 ? (size_t)count : 0;
}

/* Gives what follows in the pattern after so many bytes; 0 where nobody takes it any more. */
static size_t give(int fd, uint64_t at, size_t most)
{
	size_t start = at % PERIOD;
	ssize_t count = write(fd, (const char *)pattern + start, most < PERIOD - start ? most : PERIOD - start);
	if (count < 0 && errno != EPIPE && errno != ECONNRESET)
		err(1, "write");
	return count > 0 ? (size_t)count : 0;
}

static void serve_connection(int fd, int port)
{
	uint64_t done = 0;
	size_t count;
	if (port == PORT_SINK) {
		while ((count = take(fd, done, PERIOD)) > 0)
			done += count;
		printf("%" PRIu64 "\n", done);
		fflush(stdout);
	} else if (port == PORT_SOURCE) {
		while ((count = give(fd, done, PERIOD)) > 0)
			done += count;
	} else {
		while ((count = (size_t)read(fd, into, PING)) > 0 && count <= PING) {
			if (write(fd, into, count) != (ssize_t)count)
				break;
		}
	}
	close(fd);
}

static void serve(const char *place)
{
	struct pollfd listeners[PORTS];
	for (int i = 0; i < PORTS; i++) {
		union address address;
		int fd;
		socklen_t length = prepare(place, i + 1, &address, &fd);
		if (bind(fd, &address.any, length) != 0 || listen(fd, 8) != 0)
			err(1, "port %d at %s", i + 1, place);
		listeners[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		if (poll(listeners, PORTS, -1) < 0)
			err(1, "poll");
		for (int i = 0; i < PORTS; i++) {
			if (!(listeners[i].revents & POLLIN))
				continue;
			int fd = accept(listeners[i].fd, NULL, NULL);
			if (fd < 0)
				err(1, "accept");
			serve_connection(fd, i + 1);
		}
	}
}

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* One thing of a kind, after `done` bytes; how many bytes, or 1 for a round trip. */
static size_t to_host(int fd, uint64_t done)
{
	return give(fd, done, PERIOD);
}

static size_t to_guest_64k(int fd, uint64_t done)
{
	return take(fd, done, PERIOD);
}

static size_t to_guest_4k(int fd, uint64_t done)
{
	return take(fd, done, SMALL);
}

static size_t round_trip(int fd, uint64_t done)
{
	(void)done;
	if (write(fd, pattern, PING) != PING)
		err(1, "write");
	for (size_t came = 0, count; came < PING; came += count) {
		if ((count = take(fd, came, PING - came)) == 0)
			errx(1, "the echo has ended");
	}
	return 1;
}

static uint64_t run(const char *place, int port, size_t (*step)(int, uint64_t), uint64_t duration, uint64_t *elapsed)
{
	union address address;
	int fd;
	socklen_t length = prepare(place, port, &address, &fd);
	/* On a host that is emulated itself, an answer takes more than the usual two seconds. */
	struct timeval patience = { .tv_sec = 60 };
	if (place[0] == '@' && setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience) != 0)
		err(1, "SO_VM_SOCKETS_CONNECT_TIMEOUT");
	if (connect(fd, &address.any, length) != 0)
		err(1, "port %d at %s", port, place);
	uint64_t start = now();
	uint64_t done = 0;
	do {
		size_t count = step(fd, done);
		if (count == 0)
			errx(1, "the other side has ended");
		done += count;
		*elapsed = now() - start;
	} while (*elapsed < duration);
	close(fd);
	return done;
}

static uint64_t measure(const char *name, const char *place, int port, size_t (*step)(int, uint64_t), uint64_t duration)
{
	uint64_t elapsed;
	uint64_t warm_up = run(place, port, step, duration / WARM_UP_PART, &elapsed);
	uint64_t done = run(place, port, step, duration, &elapsed);
	printf("%s=%" PRIu64 "/%" PRIu64 "\n", name, done, elapsed);
	return warm_up + done;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3)
		errx(1, "usage: vsock_peer PATH|@CID [NANOSECONDS]");
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < PERIOD / 4; i++)
		pattern[i] = i;
	if (argc == 2)
		serve(argv[1]);
	uint64_t duration = strtoull(argv[2], NULL, 10);
	uint64_t sent = measure("to_host", argv[1], PORT_SINK, to_host, duration);
	printf("sent=%" PRIu64 "\n", sent);
	measure("to_guest_64k", argv[1], PORT_SOURCE, to_guest_64k, duration);
	measure("round_trip", argv[1], PORT_ECHO, round_trip, duration);
	measure("to_guest_4k", argv[1], PORT_SOURCE, to_guest_4k, duration);
	return 0;
}

/*
 * Both ends of a connection, for guests and for the host: what is sent is made up, and its digest compared.
 *
 *     peer serve ADDRESS             takes connections until it's ended; prints "listening" when it does
 *     peer listen ADDRESS            the same, and leaves them untaken
 *     peer send ADDRESS BYTES SEED   sends, closes its half, and compares what the server has got
 *     peer many ADDRESS COUNT BYTES  the same over so many connections, all open at once
 *     peer duplex ADDRESS BYTES SEED receives what it sends while it sends it
 *     peer hold ADDRESS              keeps a connection until the other end ends it, and tells how
 *     peer fill MEBIBYTES [keep]     writes to so much memory of its own, and reads it again
 *
 * An ADDRESS is tcp:IP:PORT, vsock:CID:PORT (CID -1 to listen at), unix:PATH, or, for port PORT of the guest behind
 * a monitor's socket, uds:PATH:PORT. BYTES are a multiple of 8. A connection's first byte says what the server does
 * with the rest: d answers with its length and digest at its end, e echoes it, h echoes that byte and waits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LIMIT_SECONDS = 400, /* A client that hangs for so long ends by SIGALRM. */
	BACKLOG = 128,
	MANY = 1024,
	CHUNK = 1 << 18,
	ANSWER = 64,
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void refuse(const char *what)
{
	fprintf(stderr, "peer: %s\n", what);
	exit(1);
}

static uint64_t milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each word changes the digest by what came before it, so that none can be lost, doubled or moved. */
struct digest {
	uint64_t hash, bytes;
};

static void digest_words(struct digest *digest, const uint64_t *words, size_t count)
{
	uint64_t hash = digest->hash;
	for (size_t i = 0; i < count; i++) {
		hash ^= words[i];
		hash = (hash << 23 | hash >> 41) * 0x9fb21c651e98df25u;
	}
	digest->hash = hash;
	digest->bytes += count * 8;
}

static void digest_text(const struct digest *digest, char *text)
{
	snprintf(text, ANSWER, "%" PRIu64 " %016" PRIx64, digest->bytes, digest->hash);
}

/* The data of a seed: what a sender sends is the same every time. */
static void make(uint64_t *state, uint64_t *words, size_t count)
{
	uint64_t x = *state;
	for (size_t i = 0; i < count; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		words[i] = x ^ x >> 29;
	}
	*state = x;
}

static void write_all(int fd, const void *data, size_t length)
{
	for (const char *at = data; length > 0;) {
		ssize_t written = write(fd, at, length);
		if (written < 0)
			fail("write");
		at += written;
		length -= written;
	}
}

union address {
	struct sockaddr any;
	struct sockaddr_in tcp;
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

/* Splits off what's behind the last colon. */
static unsigned port_of(char *text)
{
	char *colon = strrchr(text, ':');
	if (colon == NULL)
		refuse("an address without a port");
	*colon = 0;
	return strtoul(colon + 1, NULL, 10);
}

/* Reads an address; *guest_port is that of a uds: address, and 0 for others. */
static socklen_t parse(const char *text, union address *address, unsigned *guest_port)
{
	char copy[256];
	snprintf(copy, sizeof copy, "%s", text);
	char *rest = strchr(copy, ':');
	if (rest == NULL)
		refuse("an address without a kind");
	*rest++ = 0;
	memset(address, 0, sizeof *address);
	*guest_port = 0;
	if (strcmp(copy, "tcp") == 0) {
		address->tcp.sin_family = AF_INET;
		address->tcp.sin_port = htons(port_of(rest));
		if (inet_pton(AF_INET, rest, &address->tcp.sin_addr) != 1)
			refuse("not an IP address");
		return sizeof address->tcp;
	}
	if (strcmp(copy, "vsock") == 0) {
		address->vm.svm_family = AF_VSOCK;
		address->vm.svm_port = port_of(rest);
		address->vm.svm_cid = strtol(rest, NULL, 10);
		return sizeof address->vm;
	}
	if (strcmp(copy, "uds") == 0)
		*guest_port = port_of(rest);
	else if (strcmp(copy, "unix") != 0)
		refuse("an address of no known kind");
	address->un.sun_family = AF_UNIX;
	if (strlen(rest) >= sizeof address->un.sun_path)
		refuse("a path that is too long");
	strcpy(address->un.sun_path, rest);
	return sizeof address->un;
}

/* Asks a monitor for a port of its guest. */
static void shake_hands(int fd, unsigned port)
{
	char line[ANSWER];
	write_all(fd, line, snprintf(line, sizeof line, "CONNECT %u\n", port));
	for (size_t length = 0; length < sizeof line - 1; length++) {
		ssize_t got = read(fd, line + length, 1);
		if (got < 0)
			fail("connect");
		if (got == 0)
			refuse("connect: the monitor has closed the connection");
		if (line[length] != '\n')
			continue;
		if (strncmp(line, "OK ", 3) != 0)
			refuse("connect: the monitor's answer is not OK");
		return;
	}
	refuse("connect: the monitor's answer is too long");
}

static int dial(const char *text)
{
	union address address;
	unsigned port;
	socklen_t length = parse(text, &address, &port);
	int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		fail("socket");
	if (connect(fd, &address.any, length) < 0)
		fail("connect");
	if (port != 0)
		shake_hands(fd, port);
	return fd;
}

static uint64_t buffer[CHUNK / 8];

static void send_data(int fd, uint64_t bytes, uint64_t seed, struct digest *digest)
{
	while (bytes > 0) {
		size_t length = bytes < CHUNK ? bytes : CHUNK;
		make(&seed, buffer, length / 8);
		digest_words(digest, buffer, length / 8);
		write_all(fd, buffer, length);
		bytes -= length;
	}
}

/* Digests all until the other end closes its half. */
static void receive_data(int fd, struct digest *digest)
{
	char *bytes = (char *)buffer;
	size_t held = 0;
	for (;;) {
		ssize_t got = read(fd, bytes + held, CHUNK - held);
		if (got < 0)
			fail("read");
		if (got == 0)
			break;
		held += got;
		digest_words(digest, buffer, held / 8);
		memmove(bytes, bytes + held / 8 * 8, held % 8);
		held %= 8;
	}
	digest->bytes += held; /* None where nothing was lost: senders send whole words. */
}

/* Closes this half, and reads what the server says of what it got. */
static void compare(int fd, const struct digest *digest)
{
	char mine[ANSWER], theirs[ANSWER] = "";
	size_t length = 0;
	if (shutdown(fd, SHUT_WR) < 0)
		fail("shutdown");
	for (;;) {
		ssize_t got = read(fd, theirs + length, sizeof theirs - 1 - length);
		if (got < 0)
			fail("read");
		if (got == 0)
			break;
		length += got;
	}
	digest_text(digest, mine);
	if (strcmp(mine, theirs) == 0)
		return;
	fprintf(stderr, "peer: sent %s, and they got %s\n", mine, theirs);
	exit(1);
}

static void report(const char *what, const struct digest *digest, uint64_t began)
{
	char text[ANSWER];
	digest_text(digest, text);
	printf("%s %s %" PRIu64 "\n", what, text, milliseconds() - began);
}

static void run_send(const char *address, uint64_t bytes, uint64_t seed)
{
	struct digest digest = { 0 };
	int fd = dial(address);
	uint64_t began = milliseconds();
	write_all(fd, "d", 1);
	send_data(fd, bytes, seed, &digest);
	compare(fd, &digest);
	report("sent", &digest, began);
}

static void run_many(const char *address, unsigned count, uint64_t bytes)
{
	static int fds[MANY];
	static struct digest digests[MANY];
	if (count > MANY)
		refuse("too many connections");
	uint64_t began = milliseconds();
	for (unsigned i = 0; i < count; i++) {
		fds[i] = dial(address);
		write_all(fds[i], "d", 1);
	}
	for (unsigned i = 0; i < count; i++)
		send_data(fds[i], bytes, i, &digests[i]);
	for (unsigned i = 0; i < count; i++)
		compare(fds[i], &digests[i]);
	printf("sent over %u connections at once %" PRIu64 "\n", count, milliseconds() - began);
}

static void run_duplex(const char *address, uint64_t bytes, uint64_t seed)
{
	struct digest sent = { 0 }, received = { 0 };
	int fd = dial(address), status;
	uint64_t began = milliseconds();
	write_all(fd, "e", 1);
	pid_t sender = fork();
	if (sender < 0)
		fail("fork");
	if (sender == 0) {
		send_data(fd, bytes, seed, &sent);
		if (shutdown(fd, SHUT_WR) < 0)
			fail("shutdown");
		_exit(0);
	}
	receive_data(fd, &received);
	if (waitpid(sender, &status, 0) < 0 || status != 0)
		refuse("the sender has failed");
	while (bytes > 0) {
		size_t length = bytes < CHUNK ? bytes : CHUNK;
		make(&seed, buffer, length / 8);
		digest_words(&sent, buffer, length / 8);
		bytes -= length;
	}
	if (sent.bytes != received.bytes || sent.hash != received.hash)
		refuse("what came back is not what was sent");
	report("echoed", &received, began);
}

static void run_hold(const char *address)
{
	char byte;
	int fd = dial(address);
	printf("connected\n");
	write_all(fd, "h", 1);
	for (;;) {
		ssize_t got = read(fd, &byte, 1);
		if (got > 0) {
			printf("held\n");
			continue;
		}
		printf("ended by %s\n", got == 0 ? "a close" : strerror(errno));
		return;
	}
}

static void run_fill(size_t mebibytes, int keep)
{
	size_t words = mebibytes << 17, step = 512; /* a word of each page */
	uint64_t *memory = malloc(words * 8);
	if (memory == NULL)
		fail("malloc");
	for (size_t i = 0; i < words; i += step)
		memory[i] = i + 1;
	for (size_t i = 0; i < words; i += step) {
		if (memory[i] != i + 1)
			refuse("memory has changed");
	}
	printf("filled %zu MiB\n", mebibytes);
	if (keep)
		pause();
}

static void echo(int fd)
{
	ssize_t got;
	while ((got = read(fd, buffer, CHUNK)) > 0)
		write_all(fd, buffer, got);
	if (got < 0)
		fail("read");
}

static void serve(int fd)
{
	struct digest digest = { 0 };
	char mode, text[ANSWER];
	if (read(fd, &mode, 1) != 1)
		return;
	switch (mode) {
	case 'd':
		receive_data(fd, &digest);
		digest_text(&digest, text);
		write_all(fd, text, strlen(text));
		return;
	case 'e':
		echo(fd);
		return;
	case 'h':
		write_all(fd, "h", 1);
		pause();
	}
}

static void run_server(const char *text, int takes)
{
	union address address;
	unsigned port;
	int on = 1;
	socklen_t length = parse(text, &address, &port);
	int listener = socket(address.any.sa_family, SOCK_STREAM, 0);
	if (listener < 0)
		fail("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, &address.any, length) < 0)
		fail("bind");
	if (listen(listener, BACKLOG) < 0)
		fail("listen");
	printf("listening\n");
	signal(SIGCHLD, SIG_IGN); /* No child is waited for. */
	while (!takes)
		pause();
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			fail("accept");
		pid_t child = fork();
		if (child < 0)
			fail("fork");
		if (child == 0) {
			close(listener);
			serve(fd);
			exit(0);
		}
		close(fd);
	}
}

int main(int count, char **args)
{
	const char *what = count > 1 ? args[1] : "", *address = count > 2 ? args[2] : "";
	uint64_t first = count > 3 ? strtoull(args[3], NULL, 10) : 0;
	uint64_t second = count > 4 ? strtoull(args[4], NULL, 10) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	int serves = strcmp(what, "serve") == 0;
	if (serves || strcmp(what, "listen") == 0)
		run_server(address, serves);
	alarm(LIMIT_SECONDS);
	if (strcmp(what, "send") == 0)
		run_send(address, first, second);
	else if (strcmp(what, "many") == 0)
		run_many(address, first, second);
	else if (strcmp(what, "duplex") == 0)
		run_duplex(address, first, second);
	else if (strcmp(what, "hold") == 0)
		run_hold(address);
	else if (strcmp(what, "fill") == 0)
		run_fill(strtoul(address, NULL, 10), count > 3 && strcmp(args[3], "keep") == 0);
	else
		refuse("give it one of its commands and an address");
	return 0;
}

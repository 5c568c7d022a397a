#include "relay.h"

#include <asm/termbits.h>
#include <asm/ioctls.h>

static void shut(int *fd)
{
	if (*fd >= 0)
		close_file(*fd);
	*fd = -1;
}

/* Whether a call that does not wait has to be made again later. */
static bool is_later(long result)
{
	return result == -EAGAIN || result == -EINTR;
}

static void watch(struct pollfd *entry, int fd, int events)
{
	/* One that is -1 is passed over by the kernel. */
	entry->fd = fd;
	entry->events = (short)events;
	entry->revents = 0;
}

/* ---- to the host */

void open_outlet(struct outlet *outlet, int connection, int source)
{
	outlet->connection = connection;
	outlet->source = source;
	outlet->length = outlet->sent = 0;
}

bool is_open(const struct outlet *outlet)
{
	return outlet->connection >= 0;
}

void watch_outlet(const struct outlet *outlet, struct pollfd *polls)
{
	bool sending = outlet->length > 0;

	/* The host has nothing to say here; that it can be read means that it has closed. */
	watch(&polls[0], outlet->connection, sending ? POLLIN | POLLOUT : POLLIN);
	watch(&polls[1], sending ? -1 : outlet->source, POLLIN);
}

static void make_frame(struct outlet *outlet, u8 type, size_t length)
{
	struct header header = { .length = (u32)length, .type = type };

	memcpy(outlet->buffer, &header, sizeof(header));
	outlet->length = sizeof(header) + length;
	outlet->sent = 0;
}

static void close_outlet(struct outlet *outlet)
{
	shut(&outlet->source);
	shut(&outlet->connection);
}

static void send_outlet(struct outlet *outlet)
{
	long result = SYS(sendto, outlet->connection, outlet->buffer + outlet->sent,
			  outlet->length - outlet->sent, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);

	if (is_later(result))
		return;
	if (result < 0)
		return close_outlet(outlet);
	outlet->sent += (size_t)result;
	if (outlet->sent < outlet->length)
		return;
	outlet->length = 0;
	if (outlet->source < 0)
		shut(&outlet->connection);
}

void serve_outlet(struct outlet *outlet, const struct pollfd *polls)
{
	if (polls[0].fd >= 0 && (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		return close_outlet(outlet);
	if (polls[1].fd >= 0 && polls[1].revents != 0) {
		long result = SYS(read, outlet->source, outlet->buffer + HEADER_BYTES, MOST_DATA);

		if (is_later(result))
			return;
		if (result > 0) {
			make_frame(outlet, DATA, (size_t)result);
		} else {
			/* A terminal that nobody has open any more is EIO. */
			shut(&outlet->source);
			make_frame(outlet, END, 0);
		}
	}
	if (outlet->length > 0)
		send_outlet(outlet);
}

/* ---- from the host */

void open_inlet(struct inlet *inlet, int connection, int target, bool is_terminal)
{
	memset(inlet, 0, offsetof(struct inlet, buffer));
	inlet->connection = connection;
	inlet->target = target;
	inlet->is_terminal = is_terminal;
}

static void close_inlet(struct inlet *inlet)
{
	shut(&inlet->target);
	shut(&inlet->connection);
}

void refuse_input(struct inlet *inlet)
{
	if (inlet->connection >= 0)
		send_frame(inlet->connection, END, NULL, 0);
	close_inlet(inlet);
}

void watch_inlet(const struct inlet *inlet, struct pollfd *polls)
{
	bool passing = inlet->length > 0;

	watch(&polls[0], passing ? -1 : inlet->connection, POLLIN);
	/* A pipe that nobody reads from any more is POLLERR, which is always told. */
	watch(&polls[1], inlet->target, passing ? POLLOUT : 0);
}

/* The host has said all. */
static void end_input(struct inlet *inlet)
{
	struct termios terminal;

	/* Whoever reads from the terminal is told as by Ctrl-D; it stays open for what it prints. */
	if (inlet->is_terminal && SYS(ioctl, inlet->target, TCGETS, &terminal) == 0)
		SYS(write, inlet->target, &terminal.c_cc[VEOF], 1);
	close_inlet(inlet);
}

static void receive(struct inlet *inlet)
{
	long result;

	if (inlet->left == 0) {
		result = SYS(recvfrom, inlet->connection, (u8 *)&inlet->header + inlet->header_used,
			     sizeof(inlet->header) - inlet->header_used, MSG_DONTWAIT, 0, 0);
		if (is_later(result))
			return;
		if (result <= 0)
			return close_inlet(inlet);
		inlet->header_used += (size_t)result;
		if (inlet->header_used < sizeof(inlet->header))
			return;
		inlet->header_used = 0;
		if (!good_header(&inlet->header, MOST_DATA))
			return close_inlet(inlet);
		if (inlet->header.type == END)
			return end_input(inlet);
		if (inlet->header.type != DATA)
			return close_inlet(inlet);
		inlet->left = inlet->header.length;
		return;
	}
	result = SYS(recvfrom, inlet->connection, inlet->buffer, inlet->left, MSG_DONTWAIT, 0, 0);
	if (is_later(result))
		return;
	if (result <= 0)
		return close_inlet(inlet);
	inlet->left -= (size_t)result;
	inlet->length = (size_t)result;
	inlet->passed = 0;
}

static void pass(struct inlet *inlet)
{
	long result = SYS(write, inlet->target, inlet->buffer + inlet->passed,
			  inlet->length - inlet->passed);

	if (is_later(result))
		return;
	if (result < 0)
		return refuse_input(inlet);
	inlet->passed += (size_t)result;
	if (inlet->passed == inlet->length)
		inlet->length = 0;
}

void serve_inlet(struct inlet *inlet, const struct pollfd *polls)
{
	if (polls[1].fd >= 0 && (polls[1].revents & POLLERR) != 0 && inlet->length == 0)
		return refuse_input(inlet);
	if (polls[0].fd >= 0 && polls[0].revents != 0)
		receive(inlet);
	if (inlet->length > 0)
		pass(inlet);
}

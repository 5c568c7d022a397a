/*
 * Runs one command for the host: its streams, what the host orders meanwhile, its end.
 */
#include "session.h"
#include "command.h"
#include "relay.h"

#include <asm/ioctls.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/wait.h>

/* How often those that a killed command has left behind are looked for. */
#define HUNTS 100000
/* The longest message of the host's while a command runs. */
#define MOST_ORDER 64

/* A command that runs. */
struct run {
	int control, child_signal;
	long pid;
	bool has_ended;
	/* The terminal's own end, for its size; -1 without. */
	int terminal;
	u8 order[HEADER_BYTES + MOST_ORDER];
	size_t order_used;
};

static struct outlet out, err;
static struct inlet in;
static struct command command;
static struct failure failure;

/* ---- its streams */

static void do_not_wait(int fd)
{
	long flags = SYS(fcntl, fd, F_GETFL);

	SYS(fcntl, fd, F_SETFL, flags | O_NONBLOCK);
}

/* Opens a terminal: its own end, and the command's. */
static long open_terminal(const struct winsize *size, int *own, int *other)
{
	int unlocked = 0;
	long fd = open_file("/dev/ptmx", O_RDWR | O_NONBLOCK, 0), result;

	if (fd < 0)
		return fd;
	*own = (int)fd;
	result = SYS(ioctl, fd, TIOCSPTLCK, &unlocked);
	if (result == 0)
		result = SYS(ioctl, fd, TIOCSWINSZ, size);
	if (result == 0)
		result = SYS(ioctl, fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	*other = (int)result;
	return result < 0 ? result : 0;
}

/* Makes the three streams that a command gets, and relays for those that the host wants. */
static long open_streams(const struct session *session, const struct command *c, int streams[3], int *terminal)
{
	struct outlet *outlets[2] = { &out, &err };
	long result = open_file("/dev/null", O_RDWR, 0);

	open_inlet(&in, -1, -1, false);
	open_outlet(&out, -1, -1);
	open_outlet(&err, -1, -1);
	*terminal = -1;
	if (result < 0)
		return result;
	streams[0] = streams[1] = streams[2] = (int)result;
	if (c->has_terminal) {
		int own, other;

		result = open_terminal(&c->size, &own, &other);
		if (result < 0)
			return result;
		streams[0] = streams[1] = streams[2] = other;
		*terminal = own;
		if (session->streams[STREAM_IN] >= 0)
			open_inlet(&in, session->streams[STREAM_IN], (int)SYS(fcntl, own, F_DUPFD_CLOEXEC, 0), true);
		if (session->streams[STREAM_OUT] >= 0)
			open_outlet(&out, session->streams[STREAM_OUT], (int)SYS(fcntl, own, F_DUPFD_CLOEXEC, 0));
		return 0;
	}
	if (session->streams[STREAM_IN] >= 0) {
		int reader, writer;

		result = open_pipe(&reader, &writer);
		if (result < 0)
			return result;
		do_not_wait(writer);
		open_inlet(&in, session->streams[STREAM_IN], writer, false);
		streams[0] = reader;
	}
	for (int i = 0; i < 2; i++) {
		int reader, writer, connection = session->streams[STREAM_OUT + i];

		if (connection < 0)
			continue;
		result = open_pipe(&reader, &writer);
		if (result < 0)
			return result;
		do_not_wait(reader);
		open_outlet(outlets[i], connection, reader);
		streams[1 + i] = writer;
	}
	return 0;
}

/* ---- while it runs */

/* Ends the command with all that it has started, also what has left its process group. */
static void kill_all(const struct run *run)
{
	char path[64];
	struct text text = TEXT(path);

	SYS(kill, -run->pid, SIGKILL);
	put(&text, "/proc/self/task/");
	put_number(&text, (u64)SYS(getpid), 10);
	put(&text, "/children");
	finish(&text);
	/* Orphans become this process's children (PR_SET_CHILD_SUBREAPER), and so come to light one generation at a time. */
	for (int i = 0; i < HUNTS; i++) {
		long result;
		char *at = read_file(path, 1 << 16, &result);

		while (at != NULL && *at != 0) {
			char *end = find(at, ' ');
			u64 pid;

			if (end != NULL)
				*end++ = 0;
			if (parse_decimal(at, &pid))
				SYS(kill, pid, SIGKILL);
			at = end;
		}
		result = SYS(wait4, -1, 0, 0, 0);
		if (result == -ECHILD)
			return;
	}
}

/* Takes what the host orders. False for what makes no sense, and when the host has gone. */
static bool take_order(struct run *run)
{
	struct header header;
	struct fields fields;
	const char *value;
	u64 number;
	/* It need not be there: the poll may have been for the end of something else. */
	long result = SYS(recvfrom, run->control, run->order + run->order_used,
			  sizeof(run->order) - run->order_used, MSG_DONTWAIT, 0, 0);

	if (result == -EAGAIN || result == -EINTR)
		return true;
	if (result <= 0)
		return false;
	run->order_used += (size_t)result;
	while (run->order_used >= sizeof(header)) {
		size_t size;

		memcpy(&header, run->order, sizeof(header));
		if (!good_header(&header, MOST_ORDER))
			return false;
		size = sizeof(header) + header.length;
		if (run->order_used < size)
			return true;
		fields.at = (const char *)run->order + sizeof(header);
		fields.end = fields.at + header.length;
		if (!good_fields(fields.at, header.length))
			return false;
		if (header.type == SIGNAL && (value = field_of(fields, 's')) != NULL) {
			if (!parse_decimal(value, &number) || number > SIGNALS)
				return false;
			if (!run->has_ended)
				SYS(kill, -run->pid, number);
		} else if (header.type == RESIZE && (value = field_of(fields, 't')) != NULL) {
			struct winsize window = { 0 };

			if (!parse_size(value, &window))
				return false;
			if (run->terminal >= 0)
				SYS(ioctl, run->terminal, TIOCSWINSZ, &window);
		} else {
			return false;
		}
		run->order_used -= size;
		memmove(run->order, run->order + size, run->order_used);
	}
	return true;
}

/* Reaps, and tells the host of the command's end. */
static void reap(struct run *run)
{
	struct signalfd_siginfo info;
	char payload[64];
	int status;
	long pid;

	SYS(read, run->child_signal, &info, sizeof(info));
	while ((pid = SYS(wait4, -1, &status, WNOHANG, 0)) > 0) {
		struct text text = TEXT(payload);

		if (pid != run->pid)
			continue;
		run->has_ended = true;
		/* wait(2): the low 7 bits are a signal's number, the next byte is an exit code. */
		if ((status & 0x7f) == 0)
			put_number_field(&text, 'c', (u64)(status >> 8 & 0xff), 10);
		else
			put_number_field(&text, 's', (u64)(status & 0x7f), 10);
		send_text(run->control, EXITED, &text);
		refuse_input(&in);
	}
}

enum { CONTROL, CHILD, IN, OUT = IN + 2, ERR = OUT + 2, POLLS = ERR + 2 };

static void serve(struct run *run)
{
	struct pollfd polls[POLLS];

	while (!run->has_ended || is_open(&out) || is_open(&err)) {
		polls[CONTROL] = (struct pollfd){ .fd = run->control, .events = POLLIN };
		polls[CHILD] = (struct pollfd){ .fd = run->child_signal, .events = POLLIN };
		watch_inlet(&in, &polls[IN]);
		watch_outlet(&out, &polls[OUT]);
		watch_outlet(&err, &polls[ERR]);
		if (SYS(ppoll, polls, POLLS, 0, 0, 8) < 0)
			continue;
		if (polls[CONTROL].revents != 0 && !take_order(run)) {
			if (!run->has_ended)
				kill_all(run);
			return;
		}
		serve_inlet(&in, &polls[IN]);
		serve_outlet(&out, &polls[OUT]);
		serve_outlet(&err, &polls[ERR]);
		/* Last, so that what it had printed goes on its way first. */
		if (polls[CHILD].revents != 0)
			reap(run);
	}
}

void serve_exec(const struct session *session, struct fields fields)
{
	struct run run = { .control = session->control };
	u64 child = SIGNAL_BIT(SIGCHLD);
	const char *what, *with;
	int streams[3];
	char payload[64];
	struct text text = TEXT(payload);
	long result = read_command(&command, fields, &what, &with);

	if (result < 0)
		return send_error(run.control, result, what, with);
	SYS(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	block_signals(child);
	result = SYS(signalfd4, -1, &child, sizeof(child), O_CLOEXEC | O_NONBLOCK);
	run.child_signal = (int)result;
	if (result < 0)
		return send_error(run.control, result, "wait for processes", "");
	result = open_streams(session, &command, streams, &run.terminal);
	if (result < 0)
		return send_error(run.control, result, "open", command.has_terminal ? "/dev/ptmx" : "/dev/null");
	run.pid = start_child(&command, streams, &failure);
	if (run.pid < 0)
		return send_error(run.control, run.pid, failure.what, failure.with);
	put_number_field(&text, 'p', (u64)run.pid, 10);
	send_text(run.control, STARTED, &text);
	serve(&run);
}

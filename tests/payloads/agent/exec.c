/*
 * Runs one command for the host: its process, its streams, its end.
 */
#include "session.h"
#include "relay.h"
#include "user.h"

#include <asm/ioctls.h>
#include <asm/termios.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/wait.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SHELL "/bin/sh"
/* How often those that a killed command has left behind are looked for. */
#define HUNTS 100000
/* The longest message of the host's while a command runs. */
#define MOST_ORDER 64

/* What is to be run. */
struct command {
	char **arguments, **environment;
	size_t argument_count;
	const char *path, *folder;
	bool has_user, has_terminal;
	struct user user;
	struct winsize size;
};

/* What a child could not do; through a pipe that its success closes. */
struct failure {
	long error;
	char what[32];
	char with[PATH_BYTES];
};

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

/* ---- the request */

static bool has_variable(const struct command *c, size_t count, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (memcmp(c->environment[i], name, length) == 0 && c->environment[i][length] == '=')
			return true;
	return false;
}

static void add_variable(struct command *c, size_t *count, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *bytes;
	struct text text;

	if (value[0] == 0 || has_variable(c, *count, name))
		return;
	bytes = allocate(size);
	if (bytes == NULL)
		return;
	text = (struct text){ .start = bytes, .size = size };
	put(&text, name);
	put(&text, "=");
	put(&text, value);
	c->environment[(*count)++] = finish(&text);
}

static bool parse_size(const char *value, struct winsize *size)
{
	char copy[32];
	struct text text = TEXT(copy);
	char *times;
	u64 columns, rows;

	put(&text, value);
	times = find(finish(&text), 'x');
	if (times == NULL)
		return false;
	*times++ = 0;
	if (!parse_decimal(copy, &columns) || !parse_decimal(times, &rows))
		return false;
	if (columns > 0xffff || rows > 0xffff)
		return false;
	size->ws_col = (u16)columns;
	size->ws_row = (u16)rows;
	return true;
}

/* The most variables that are added to what the host gives. */
#define ADDED 5

/* Reads what is to be run; 0 or a negative errno with what is wrong. */
static long read_command(struct command *c, struct fields fields, const char **what, const char **with)
{
	struct fields rest = fields;
	struct field field;
	size_t arguments = 0, variables = 0;
	bool clear = false;

	while (next_field(&rest, &field))
		arguments += field.letter == 'a', variables += field.letter == 'e';
	c->arguments = allocate((arguments + 1) * sizeof(char *));
	c->environment = allocate((variables + ADDED + 1) * sizeof(char *));
	*what = "read the request";
	*with = "";
	if (c->arguments == NULL || c->environment == NULL)
		return -ENOMEM;
	if (arguments == 0)
		return -EINVAL;
	variables = 0;
	while (next_field(&fields, &field)) {
		switch (field.letter) {
		case 'a':
			c->arguments[c->argument_count++] = (char *)field.value;
			break;
		case 'e':
			c->environment[variables++] = (char *)field.value;
			break;
		case 'c':
			clear = true;
			break;
		case 'd':
			c->folder = field.value;
			break;
		case 'u': {
			long result = find_user(field.value, &c->user);

			*what = "find the user";
			*with = field.value;
			if (result < 0)
				return result;
			c->has_user = true;
			break;
		}
		case 't':
			*what = "read the terminal's size";
			*with = field.value;
			if (!parse_size(field.value, &c->size))
				return -EINVAL;
			c->has_terminal = true;
			break;
		default:
			return -EINVAL;
		}
	}
	/* Who nobody was asked to be is whoever the agent is. */
	if (!c->has_user) {
		char number[16];
		struct text text = TEXT(number);

		put_number(&text, (u64)SYS(getuid), 10);
		find_user(finish(&text), &c->user);
	}
	if (!clear) {
		add_variable(c, &variables, "PATH", DEFAULT_PATH);
		add_variable(c, &variables, "HOME", c->user.home[0] != 0 ? c->user.home : "/");
		add_variable(c, &variables, "USER", c->user.name);
		add_variable(c, &variables, "LOGNAME", c->user.name);
		if (c->has_terminal)
			add_variable(c, &variables, "TERM", "xterm");
	}
	for (size_t i = 0; i < variables; i++)
		if (starts_with(c->environment[i], "PATH="))
			c->path = c->environment[i] + 5;
	return 0;
}

/* ---- the child */

static void give_up(int pipe, long error, const char *what, const char *with)
{
	struct text name = TEXT(failure.what), path = TEXT(failure.with);

	put(&name, what);
	put(&path, with);
	finish(&name);
	finish(&path);
	failure.error = error;
	write_all(pipe, &failure, sizeof(failure));
	leave(127);
}

/* execve, and a shell for what has no format that the kernel knows, as execvp(3). */
static long execute(const struct command *c, const char *path)
{
	long result = SYS(execve, path, c->arguments, c->environment);

	if (result == -ENOEXEC) {
		char **arguments = allocate((c->argument_count + 2) * sizeof(char *));

		if (arguments == NULL)
			return -ENOMEM;
		arguments[0] = SHELL;
		arguments[1] = (char *)path;
		memcpy(arguments + 2, c->arguments + 1, c->argument_count * sizeof(char *));
		SYS(execve, SHELL, arguments, c->environment);
	}
	return result;
}

/* Looks in the folders of the path, as execvp(3). Returns why there is nothing to be run. */
static long execute_by_path(const struct command *c)
{
	const char *name = c->arguments[0], *path = c->path == NULL ? DEFAULT_PATH : c->path;
	bool forbidden = false;

	if (find(name, '/') != NULL)
		return execute(c, name);
	if (*name == 0)
		return -ENOENT;
	for (;;) {
		char candidate[PATH_BYTES];
		struct text text = TEXT(candidate);
		const char *colon = find(path, ':');
		size_t length = colon == NULL ? strlen(path) : (size_t)(colon - path);
		long result;

		/* An empty one is the current folder. */
		put_bytes(&text, path, length);
		if (length > 0)
			put(&text, "/");
		put(&text, name);
		finish(&text);
		result = text.overflow ? -ENAMETOOLONG : execute(c, candidate);
		if (result == -EACCES)
			forbidden = true;
		else if (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG)
			return result;
		if (colon == NULL)
			return forbidden ? -EACCES : -ENOENT;
		path = colon + 1;
	}
}

static void become_user(int pipe, const struct user *user)
{
	long result = SYS(setgroups, user->group_count, user->groups);

	if (result == 0)
		result = SYS(setresgid, user->gid, user->gid, user->gid);
	if (result == 0)
		result = SYS(setresuid, user->uid, user->uid, user->uid);
	if (result < 0)
		give_up(pipe, result, "become the user", user->name);
}

static void run_child(const struct command *c, const int streams[3], int pipe)
{
	const char *folder = c->folder == NULL ? "/" : c->folder;
	long result;

	SYS(setsid);
	for (int i = 0; i < 3; i++) {
		result = SYS(dup3, streams[i], i, 0);
		if (result < 0)
			give_up(pipe, result, "give it the stream", i == 0 ? "stdin" : i == 1 ? "stdout" : "stderr");
	}
	if (c->has_terminal && (result = SYS(ioctl, 0, TIOCSCTTY, 0)) < 0)
		give_up(pipe, result, "give it the terminal", "");
	if (c->has_user)
		become_user(pipe, &c->user);
	result = SYS(chdir, folder);
	if (result < 0)
		give_up(pipe, result, "enter the folder", folder);
	for (int i = 1; i <= SIGNALS; i++)
		default_signal(i);
	block_signals(0);
	SYS(umask, 022);
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL);
	result = execute_by_path(c);
	give_up(pipe, result, "execute", c->arguments[0]);
}

/* ---- the process and its streams */

static long open_pipe(int *reader, int *writer)
{
	int ends[2];
	long result = SYS(pipe2, ends, O_CLOEXEC);

	*reader = ends[0];
	*writer = ends[1];
	return result;
}

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

static long read_failure(int pipe)
{
	size_t used = 0;

	while (used < sizeof(failure)) {
		long result = SYS(read, pipe, (u8 *)&failure + used, sizeof(failure) - used);

		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		used += (size_t)result;
	}
	return used == sizeof(failure) ? failure.error : 0;
}

/* Starts the child. Its pid, or a negative errno with `failure` filled in. */
static long start_child(const struct command *c, const int streams[3])
{
	int reader, writer;
	long pid = open_pipe(&reader, &writer), result;

	if (pid == 0)
		pid = fork_process();
	if (pid == 0)
		run_child(c, streams, writer);
	if (pid < 0) {
		memcpy(failure.what, "start a process", sizeof("start a process"));
		return pid;
	}
	for (int i = 0; i < 3; i++)
		close_file(streams[i]);
	close_file(writer);
	result = read_failure(reader);
	close_file(reader);
	if (result == 0)
		return pid;
	SYS(wait4, pid, 0, 0, 0);
	return result;
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
	run.pid = start_child(&command, streams);
	if (run.pid < 0)
		return send_error(run.control, run.pid, failure.what, failure.with);
	put_number_field(&text, 'p', (u64)run.pid, 10);
	send_text(run.control, STARTED, &text);
	serve(&run);
}

#include "server.h"
#include "session.h"

#include <linux/close_range.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/un.h>
#include <linux/wait.h>

/* socket(2) and vsock(7); the headers for user space leave them to the C library. */
#define AF_UNIX 1
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_CLOEXEC O_CLOEXEC
#define VMADDR_CID_ANY ~0u
#define VMADDR_PORT_ANY ~0u
#define VMADDR_CID_HOST 2
struct sockaddr_vm {
	u16 svm_family, reserved;
	u32 svm_port, svm_cid;
	u8 svm_zero[4];
};

/* As many connections wait to be taken, and to have said what they are for: fewer than there are descriptors. */
#define BACKLOG 1024
#define MOST_PENDING 768
#define MOST_SESSIONS 512
/* How long a connection has to say what it is for, and a request to get its streams. */
#define PATIENCE_MS 10000

/* A connection that no process serves yet. */
struct pending {
	int fd;
	s64 deadline;
	size_t used;
	struct {
		struct header header;
		struct hello hello;
	} said;
};
#define SAID_BYTES (sizeof(struct header) + sizeof(struct hello))

static struct pending pending[MOST_PENDING];
static size_t pending_count;
static long sessions[MOST_SESSIONS];
static size_t session_count;

/* ---- addresses */

union address {
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

/* Reads `vsock:PORT` or `unix:PATH`. The length of the address, or a negative errno. */
static long parse_address(const char *name, u32 cid, union address *address)
{
	u64 port;

	memset(address, 0, sizeof(*address));
	if (starts_with(name, "vsock:")) {
		if (!parse_decimal(name + 6, &port) || port >= VMADDR_PORT_ANY)
			return -EINVAL;
		address->vm.svm_family = AF_VSOCK;
		address->vm.svm_cid = cid;
		address->vm.svm_port = (u32)port;
		return sizeof(address->vm);
	}
	if (starts_with(name, "unix:") && strlen(name + 5) < sizeof(address->un.sun_path)) {
		address->un.sun_family = AF_UNIX;
		memcpy(address->un.sun_path, name + 5, strlen(name + 5));
		return sizeof(address->un);
	}
	return -EINVAL;
}

static long open_socket(const union address *address)
{
	return SYS(socket, address->vm.svm_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

long open_listener(const struct server *server)
{
	union address address;
	long length = parse_address(server->listen, VMADDR_CID_ANY, &address), fd, result;

	if (length < 0)
		return length;
	fd = open_socket(&address);
	if (fd < 0)
		return fd;
	result = SYS(bind, fd, &address, length);
	if (result == 0)
		result = SYS(listen, fd, BACKLOG);
	/* Connections are taken until there is none. */
	if (result == 0)
		result = SYS(fcntl, fd, F_SETFL, O_NONBLOCK);
	return result < 0 ? result : fd;
}

/* Tells the host that it can connect. One that does not listen for that is none the worse. */
static void tell_ready(const char *name)
{
	union address address;
	long length = parse_address(name, VMADDR_CID_HOST, &address), fd;
	char payload[64];
	struct text text = TEXT(payload);

	if (length < 0 || (fd = open_socket(&address)) < 0)
		return;
	put_number_field(&text, 'v', VERSION, 10);
	if (SYS(connect, fd, &address, length) == 0)
		send_text((int)fd, READY, &text);
	close_file((int)fd);
}

/* ---- connections that no process serves yet */

static void drop(size_t index, bool close)
{
	if (close)
		close_file(pending[index].fd);
	pending[index] = pending[--pending_count];
}

static void take_connections(int listener)
{
	while (pending_count < MOST_PENDING) {
		union address address = { 0 };
		u32 length = sizeof(address);
		long fd = SYS(accept4, listener, &address, &length, SOCK_CLOEXEC);

		if (fd < 0)
			return;
		/* Programs of the guest's own have nothing to ask here. */
		if (address.vm.svm_family == AF_VSOCK && address.vm.svm_cid != VMADDR_CID_HOST)
			close_file((int)fd);
		else
			pending[pending_count++] = (struct pending){
				.fd = (int)fd,
				.deadline = now_ms() + PATIENCE_MS,
			};
	}
}

static bool is_whole(const struct pending *p)
{
	return p->used == SAID_BYTES;
}

/* Whether what a connection has said can be understood. */
static bool is_good(const struct pending *p)
{
	const struct hello *hello = &p->said.hello;
	unsigned streams = 1 << STREAM_IN | 1 << STREAM_OUT | 1 << STREAM_ERR;

	if (!good_header(&p->said.header, sizeof(*hello)) || p->said.header.length != sizeof(*hello))
		return false;
	if (p->said.header.type != HELLO || memcmp(hello->magic, MAGIC, sizeof(hello->magic)) != 0)
		return false;
	if (hello->version != VERSION || hello->role >= ROLES)
		return false;
	return (hello->streams & ~streams) == 0 && (hello->role == REQUEST || hello->streams == 0);
}

/* Reads on. False for a connection that is of no use. */
static bool listen_to(struct pending *p)
{
	long result = SYS(recvfrom, p->fd, (u8 *)&p->said + p->used, SAID_BYTES - p->used, MSG_DONTWAIT, 0, 0);

	if (result == -EAGAIN || result == -EINTR)
		return true;
	if (result <= 0)
		return false;
	p->used += (size_t)result;
	return !is_whole(p) || is_good(p);
}

/* The connection with this role and token. */
static struct pending *find_pending(const u8 *token, u8 role)
{
	for (size_t i = 0; i < pending_count; i++) {
		const struct hello *hello = &pending[i].said.hello;

		if (is_whole(&pending[i]) && hello->role == role && memcmp(hello->token, token, sizeof(hello->token)) == 0)
			return &pending[i];
	}
	return NULL;
}

/* ---- processes */

/* The child: keeps nothing but its own connections, and serves them. */
static void run_session(const struct server *server, const int fds[ROLES])
{
	struct session session = { .may_end = server->may_end };
	int first = 3, moved[ROLES];

	/* Above all that is to come, so that none of them is overwritten. */
	for (int role = 0; role < ROLES; role++)
		moved[role] = fds[role] < 0 ? -1 : (int)SYS(fcntl, fds[role], F_DUPFD_CLOEXEC, first + ROLES);
	for (int role = 0; role < ROLES; role++) {
		session.streams[role] = moved[role] < 0 ? -1 : (int)SYS(dup3, moved[role], first + role, O_CLOEXEC);
		if (moved[role] < 0)
			SYS(close, first + role);
	}
	SYS(close_range, first + ROLES, ~0u, 0);
	session.control = session.streams[REQUEST];
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL);
	block_signals(0);
	serve_session(&session);
	leave(0);
}

static void start_session(const struct server *server, const u8 token[16])
{
	int fds[ROLES];
	long pid = -EAGAIN;

	for (u8 role = 0; role < ROLES; role++) {
		struct pending *p = find_pending(token, role);

		fds[role] = -1;
		if (p == NULL)
			continue;
		fds[role] = p->fd;
		drop((size_t)(p - pending), false);
	}
	if (session_count < MOST_SESSIONS)
		pid = fork_process();
	if (pid == 0)
		run_session(server, fds);
	if (pid > 0) {
		sessions[session_count++] = pid;
	} else {
		char payload[64];
		struct text text = TEXT(payload);

		put_field(&text, 'c', errno_name(pid));
		put_field(&text, 'w', "start a process");
		put_field(&text, 'p', "");
		send_text(fds[REQUEST], ERROR, &text);
	}
	for (int role = 0; role < ROLES; role++)
		if (fds[role] >= 0)
			close_file(fds[role]);
}

/* Starts all requests whose streams are there. */
static void start_sessions(const struct server *server)
{
	for (size_t i = 0; i < pending_count; i++) {
		struct pending *p = &pending[i];
		struct hello hello = p->said.hello;
		bool complete = true;

		if (!is_whole(p) || hello.role != REQUEST)
			continue;
		for (u8 role = STREAM_IN; role < ROLES; role++)
			if ((hello.streams & 1 << role) != 0 && find_pending(hello.token, role) == NULL)
				complete = false;
		if (!complete)
			continue;
		start_session(server, hello.token);
		/* The order has changed. */
		i = (size_t)-1;
	}
}

static void reap_sessions(int child_signal)
{
	struct signalfd_siginfo info;
	long pid;

	SYS(read, child_signal, &info, sizeof(info));
	while ((pid = SYS(wait4, -1, 0, WNOHANG, 0)) > 0) {
		for (size_t i = 0; i < session_count; i++) {
			if (sessions[i] != pid)
				continue;
			sessions[i] = sessions[--session_count];
			break;
		}
	}
}

/* ---- all of it */

/* Waits. How many milliseconds at most; forever for none. */
static long wait_for(struct pollfd *polls, size_t count, s64 most)
{
	struct span time = { most / 1000, most % 1000 * 1000000 };

	return SYS(ppoll, polls, count, most < 0 ? NULL : &time, 0, 8);
}

void serve_host(const struct server *server, int listener)
{
	static struct pollfd polls[MOST_PENDING + 2];
	u64 child = SIGNAL_BIT(SIGCHLD);
	long child_signal;

	block_signals(child);
	child_signal = SYS(signalfd4, -1, &child, sizeof(child), O_CLOEXEC | O_NONBLOCK);
	ignore_signal(SIGPIPE);
	SYS(umask, 022);
	if (server->ready != NULL)
		tell_ready(server->ready);
	for (;;) {
		size_t count = pending_count;
		s64 now = now_ms(), most = -1;

		polls[0] = (struct pollfd){ .fd = (int)child_signal, .events = POLLIN };
		polls[1] = (struct pollfd){ .fd = count < MOST_PENDING ? listener : -1, .events = POLLIN };
		for (size_t i = 0; i < count; i++) {
			s64 left = pending[i].deadline > now ? pending[i].deadline - now : 0;

			most = most < 0 || left < most ? left : most;
			/* Of one that has said what it is for, only the end is of interest. */
			polls[2 + i] = (struct pollfd){
				.fd = pending[i].fd,
				.events = is_whole(&pending[i]) ? POLLRDHUP : POLLIN,
			};
		}
		/* A hair later, so that what is due then is past. */
		if (wait_for(polls, 2 + count, most < 0 ? -1 : most + 1) < 0)
			continue;
		now = now_ms();
		/* From the last, so that those that are dropped don't move what is yet to come. */
		for (size_t i = count; i-- > 0;) {
			bool useful = pending[i].deadline > now;

			if (polls[2 + i].revents != 0)
				useful = useful && !is_whole(&pending[i]) && listen_to(&pending[i]);
			if (!useful)
				drop(i, true);
		}
		if (polls[0].revents != 0)
			reap_sessions((int)child_signal);
		if (polls[1].revents != 0)
			take_connections(listener);
		start_sessions(server);
	}
}

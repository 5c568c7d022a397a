/*
 * The program that serves the host inside a guest: its first process (/init), or one that the guest's own init starts.
 *
 *     agent --listen vsock:PORT [--ready vsock:PORT] [--may-end]
 *
 * As the first process it takes no arguments; its configuration is /lib/denovisor/config (see config.h).
 */
#include "boot.h"
#include "server.h"

#define USAGE "usage: agent --listen vsock:PORT|unix:PATH [--ready vsock:PORT] [--may-end]"

/* The kernel's stack for a new process: argc, argv, NULL, envp, NULL. */
void start(long *stack) __attribute__((noreturn, used));

static const char *value_of(char **arguments, long count, long *at)
{
	if (*at + 1 >= count) {
		say(arguments[*at], " needs a value; ", USAGE, NULL);
		leave(2);
	}
	return arguments[++*at];
}

void start(long *stack)
{
	long count = stack[0];
	char **arguments = (char **)(stack + 1);
	struct server server = { 0 };
	long listener;

	if (SYS(getpid) == 1)
		boot();
	for (long i = 1; i < count; i++) {
		if (equal(arguments[i], "--listen"))
			server.listen = value_of(arguments, count, &i);
		else if (equal(arguments[i], "--ready"))
			server.ready = value_of(arguments, count, &i);
		else if (equal(arguments[i], "--may-end"))
			server.may_end = true;
		else {
			say("there is no option ", arguments[i], "; ", USAGE, NULL);
			leave(2);
		}
	}
	if (server.listen == NULL) {
		say(USAGE, NULL);
		leave(2);
	}
	listener = open_listener(&server);
	if (listener < 0) {
		say("listen at ", server.listen, ": ", errno_name(listener), NULL);
		leave(1);
	}
	serve_host(&server, (int)listener);
}

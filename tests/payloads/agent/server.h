/*
 * Listens for the host, and starts a process for each request.
 */
#ifndef SERVER_H
#define SERVER_H

#include "sys.h"

struct server {
	/* `vsock:PORT`, or `unix:PATH` for tests. */
	const char *listen;
	/* `vsock:PORT` of the host's, which is told once the agent listens; NULL for nobody. */
	const char *ready;
	/* Whether the host may end the machine. */
	bool may_end;
};

/* Opens what is listened at. A descriptor, or a negative errno. */
long open_listener(const struct server *server);
/* Serves until the process is ended. */
void serve_host(const struct server *server, int listener) __attribute__((noreturn));

#endif

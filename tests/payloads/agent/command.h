/*
 * A command: what the host wants to be run, and the process that it's run in.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <asm/termios.h>

#include "protocol.h"
#include "user.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What is to be run. */
struct command {
	char **arguments, **environment;
	size_t argument_count;
	/* PATH of its environment; NULL without. */
	const char *path;
	const char *folder;
	bool has_user, has_terminal;
	struct user user;
	struct winsize size;
};

/* What could not be done. */
struct failure {
	long error;
	char what[32];
	char with[PATH_BYTES];
};

/* Reads what is to be run. 0, or a negative errno with what is wrong. */
long read_command(struct command *command, struct fields fields, const char **what, const char **with);
/* Reads COLUMNSxROWS. */
bool parse_size(const char *value, struct winsize *size);

/* Both ends are closed when a program is run. 0, or a negative errno. */
long open_pipe(int *reader, int *writer);
/*
 * Starts the process with three streams, which are closed here. Its pid once the program runs in it, or a negative
 * errno with the failure.
 */
long start_child(const struct command *command, const int streams[3], struct failure *failure);

#endif

/*
 * What the host wants of a guest that it boots: /lib/denovisor/config, lines of words between single spaces. Empty ones
 * and those that begin with # mean nothing.
 *
 *     root SOURCE TYPE ro|rw [OPTIONS]     what becomes the root; without it, the initramfs stays
 *     overlay                              what is written goes to memory, and the root is only read
 *     mount SOURCE TARGET TYPE ro|rw [OPTIONS]
 *     hostname NAME
 *     init PATH                            the guest's own first process; the agent then goes on beside it
 *     listen vsock:PORT                    vsock:52 without it
 *     ready vsock:PORT                     vsock:52 without it
 *
 * A SOURCE is a path, `serial=NAME` for the disk with that serial number, or any name that the file system's type
 * understands. /lib/denovisor/modules has a line for each kernel module to load, in order: a path and its parameters.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "sys.h"

#define MOST_MOUNTS 32

struct mount {
	const char *source, *target, *type, *options;
	bool read_only;
};

struct config {
	/* Its source is NULL where the initramfs stays. */
	struct mount root;
	struct mount mounts[MOST_MOUNTS];
	size_t mount_count;
	bool overlay;
	const char *hostname, *init, *listen, *ready;
};

/* Takes a text apart, which it changes. NULL, or what is wrong with the first bad line, and its number in `line`. */
const char *parse_config(char *text, struct config *config, unsigned *line);

#endif

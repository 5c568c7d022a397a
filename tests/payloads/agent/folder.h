/*
 * Reads folders.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include "sys.h"

/* How much is read of a folder at once; also what one level of a walk has on the stack. */
#define FOLDER_BYTES 4096
/* Deeper trees are refused: each level holds a descriptor. */
#define MOST_LEVELS 512

struct folder {
	int fd;
	size_t used, at;
	/* Aligned for the kernel's 64-bit fields. */
	u64 buffer[FOLDER_BYTES / 8];
};

/* Opens one without following a link. 0, or a negative errno. */
long open_folder(struct folder *folder, int parent, const char *name);
/*
 * The next name, without `.` and `..`; NULL at the end, with 0 in `result`, or with a negative errno. Valid until the
 * next call. `type` is a DT_ value, perhaps DT_UNKNOWN.
 */
const char *next_name(struct folder *folder, u8 *type, long *result);
void close_folder(struct folder *folder);

/* The file system that a file is on. */
u64 device_of(const struct statx *found);

#define ANY_DEVICE UINT64_MAX
/*
 * Removes a tree, none of which may be on another file system than `device`; that of its root with ANY_DEVICE. 0, or a
 * negative errno; `path` then names what could not be removed.
 */
long remove_tree(int folder, const char *name, u64 device, struct text *path);

#endif

/*
 * What requests about files have in common.
 */
#ifndef FILES_H
#define FILES_H

#include "protocol.h"

/* A letter for a kind of file: f, d, l, c, b, p, s. */
char kind_of(unsigned mode);
/* Puts mode, owners and time; a file's size, where it has one, is not among them. */
void put_attributes(struct text *text, const struct statx *found);
/* Whether a name is UTF-8, as the host wants it (RFC 3629). */
bool is_utf8(const char *name);
/*
 * Copies DATA up to END from the host into a file. 0, or a negative errno; `from_host` tells whose. With `fd` -1 it is
 * only read.
 */
long receive_data(int control, int fd, bool *from_host);
/* Sends a file as DATA, at most so much, and END. */
long send_data(int control, int fd, u64 most, bool *to_host);

#endif

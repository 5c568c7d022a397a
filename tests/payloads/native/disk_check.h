/* Trying out a disk: what is written to it comes back from it. */
#ifndef DISK_CHECK_H
#define DISK_CHECK_H

#include "runtime.h"

/*
 * Tries out the n-th disk, and prints a line about it. A disk that is not `scratch`, or read-only, is only read.
 *
 * `*good` becomes false where the disk doesn't do what it should. Returns false where there is no such disk.
 */
bool check_disk(unsigned n, bool scratch, bool *good);

#endif

/*
 * Users and groups of the guest, from its own /etc/passwd and /etc/group (passwd(5), group(5)).
 */
#ifndef USER_H
#define USER_H

#include "sys.h"

#define MOST_GROUPS 256

struct user {
	u32 uid, gid;
	/* Supplementary ones. */
	u32 groups[MOST_GROUPS];
	size_t group_count;
	/* Both empty where there is no such user. */
	char name[256];
	char home[PATH_BYTES];
};

/*
 * Finds `USER[:GROUP]`, each a name or a number. Who is given by number need not be in the files, and then is in group
 * 0. With a group, there are no supplementary ones. 0; -ENOENT for a name that is not there, or another negative errno.
 */
long find_user(const char *wanted, struct user *user);

#endif

#include "user.h"

#define PASSWD "/etc/passwd"
#define GROUP "/etc/group"
/* Larger files are refused. */
#define MOST_BYTES (4 << 20)
#define MOST_FIELDS 7

/* Cuts the next line into its fields; false at the end. Lines with fewer are passed over. */
static bool next_line(char **at, char *fields[], size_t count)
{
	while (*at != NULL && **at != 0) {
		char *line = *at, *end = find(line, '\n');
		size_t found = 1;

		*at = end == NULL ? NULL : end + 1;
		if (end != NULL)
			*end = 0;
		fields[0] = line;
		while (found < count && (line = find(line, ':')) != NULL) {
			*line++ = 0;
			fields[found++] = line;
		}
		if (found == count)
			return true;
	}
	return false;
}

static bool parse_id(const char *text, u32 *id)
{
	u64 value;

	/* The last one stands for no change (setresuid(2)). */
	if (!parse_decimal(text, &value) || value >= UINT32_MAX)
		return false;
	*id = (u32)value;
	return true;
}

static void copy(char *to, size_t size, const char *from)
{
	struct text text = { .start = to, .size = size };

	put(&text, from);
	finish(&text);
}

/* Whether a user was found; by number where `by_number`. */
static bool look_up(const char *wanted, bool by_number, u32 number, struct user *user, long *result)
{
	char *at = read_file(PASSWD, MOST_BYTES, result), *fields[MOST_FIELDS];

	if (at == NULL)
		return false;
	while (next_line(&at, fields, MOST_FIELDS)) {
		u32 uid, gid;

		if (!parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
			continue;
		if (by_number ? uid != number : !equal(fields[0], wanted))
			continue;
		user->uid = uid;
		user->gid = gid;
		copy(user->name, sizeof(user->name), fields[0]);
		copy(user->home, sizeof(user->home), fields[5]);
		return true;
	}
	return false;
}

static bool has_member(char *members, const char *name)
{
	while (members != NULL && *members != 0) {
		char *comma = find(members, ',');

		if (comma != NULL)
			*comma++ = 0;
		if (equal(members, name))
			return true;
		members = comma;
	}
	return false;
}

static void add_groups(struct user *user)
{
	long result;
	char *at = read_file(GROUP, MOST_BYTES, &result), *fields[4];

	user->groups[user->group_count++] = user->gid;
	while (at != NULL && user->group_count < MOST_GROUPS && next_line(&at, fields, 4)) {
		u32 gid;

		if (parse_id(fields[2], &gid) && gid != user->gid && has_member(fields[3], user->name))
			user->groups[user->group_count++] = gid;
	}
}

static long find_group(const char *wanted, u32 *gid)
{
	long result;
	char *at, *fields[4];

	if (parse_id(wanted, gid))
		return 0;
	at = read_file(GROUP, MOST_BYTES, &result);
	while (at != NULL && next_line(&at, fields, 4))
		if (equal(fields[0], wanted) && parse_id(fields[2], gid))
			return 0;
	return result < 0 ? result : -ENOENT;
}

long find_user(const char *wanted, struct user *user)
{
	char name[PATH_BYTES], *group;
	long result = 0;
	bool by_number;

	memset(user, 0, sizeof(*user));
	copy(name, sizeof(name), wanted);
	group = find(name, ':');
	if (group != NULL)
		*group++ = 0;
	by_number = parse_id(name, &user->uid);
	if (!look_up(name, by_number, user->uid, user, &result) && !by_number)
		return result < 0 ? result : -ENOENT;
	if (group != NULL)
		return find_group(group, &user->gid);
	add_groups(user);
	return 0;
}

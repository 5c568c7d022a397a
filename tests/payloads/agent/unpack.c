/*
 * Receives a tree from the host.
 */
#include "files.h"
#include "folder.h"
#include "session.h"

#define UTIME_OMIT ((1l << 30) - 2l)

/* One entry of it. */
struct entry {
	char kind;
	const char *path, *target;
	u64 mode, uid, gid;
	bool has_mode, has_owner, has_time;
	struct span times[2];
};

/* Whether a path stays below the root: no `..`, nothing absolute. */
static bool stays_below(const char *path)
{
	if (*path == '/')
		return false;
	while (path != NULL && *path != 0) {
		const char *slash = find(path, '/');
		size_t length = slash == NULL ? strlen(path) : (size_t)(slash - path);

		if (length == 0 || (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path = slash == NULL ? NULL : slash + 1;
	}
	return true;
}

/* SECONDS.NANOSECONDS, the latter with all nine digits. */
static bool parse_time(const char *value, struct span *time)
{
	char copy[40];
	struct text text = TEXT(copy);
	bool negative = *value == '-';
	u64 seconds, nanoseconds;
	char *dot;

	put(&text, negative ? value + 1 : value);
	dot = find(finish(&text), '.');
	if (dot == NULL)
		return false;
	*dot++ = 0;
	if (!parse_decimal(copy, &seconds) || !parse_decimal(dot, &nanoseconds))
		return false;
	if (strlen(dot) != 9 || seconds > INT64_MAX)
		return false;
	time->seconds = negative ? -(s64)seconds : (s64)seconds;
	time->nanoseconds = (s64)nanoseconds;
	return true;
}

static bool parse_entry(struct fields fields, struct entry *entry)
{
	struct field field;
	bool has_uid = false, has_gid = false;

	memset(entry, 0, sizeof(*entry));
	entry->times[0].nanoseconds = UTIME_OMIT;
	while (next_field(&fields, &field)) {
		switch (field.letter) {
		case 'k':
			entry->kind = field.value[0];
			break;
		case 'p':
			entry->path = field.value;
			break;
		case 'l':
			entry->target = field.value;
			break;
		case 'm':
			entry->has_mode = parse_octal(field.value, &entry->mode) && entry->mode <= 07777;
			if (!entry->has_mode)
				return false;
			break;
		case 'o':
			has_uid = parse_decimal(field.value, &entry->uid) && entry->uid < UINT32_MAX;
			break;
		case 'g':
			has_gid = parse_decimal(field.value, &entry->gid) && entry->gid < UINT32_MAX;
			break;
		case 't':
			entry->has_time = parse_time(field.value, &entry->times[1]);
			if (!entry->has_time)
				return false;
			break;
		default:
			return false;
		}
	}
	entry->has_owner = has_uid && has_gid;
	return entry->path != NULL && stays_below(entry->path);
}

/* Gives a file what its entry says. */
static long set_attributes(const struct entry *entry, const char *path)
{
	bool link = entry->kind == 'l';
	long result = 0;

	if (entry->has_owner)
		result = SYS(fchownat, AT_FDCWD, path, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
	/* After its owner, which takes away the bits that make programs run as somebody else. */
	if (result == 0 && entry->has_mode && !link)
		result = SYS(fchmodat, AT_FDCWD, path, entry->mode);
	if (result == 0 && entry->has_time)
		result = SYS(utimensat, AT_FDCWD, path, entry->times, AT_SYMLINK_NOFOLLOW);
	return result;
}

/* Makes room for what is no folder. */
static long clear_place(const char *path)
{
	long result = SYS(unlinkat, AT_FDCWD, path, 0);

	return result == -ENOENT ? 0 : result;
}

static long unpack_file(int control, const struct entry *entry, const char *path, bool *from_host)
{
	long fd, result;

	*from_host = false;
	result = clear_place(path);
	if (result < 0)
		return result;
	fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	result = receive_data(control, (int)fd, from_host);
	if (result == 0) {
		*from_host = false;
		result = SYS(close, fd);
	}
	return result == 0 ? set_attributes(entry, path) : result;
}

static long unpack_folder(const char *path)
{
	struct statx found;
	long result = SYS(mkdirat, AT_FDCWD, path, 0700);

	if (result != -EEXIST)
		return result;
	/* One that is there, perhaps by way of a link, is added to. */
	result = stat_at(AT_FDCWD, path, 0, &found);
	if (result == 0 && (found.stx_mode & S_IFMT) != S_IFDIR)
		result = -ENOTDIR;
	return result;
}

/* Does one entry. `root` is the place of the tree; the working folder, once that is one. */
static long unpack(int control, const struct entry *entry, const char *root, bool *from_host)
{
	bool is_root = *entry->path == 0;
	const char *path = is_root ? entry->kind == 'D' ? "." : root : entry->path;
	long result;

	*from_host = false;
	switch (entry->kind) {
	case 'f':
		return unpack_file(control, entry, path, from_host);
	case 'd':
		result = unpack_folder(path);
		return result == 0 && is_root ? SYS(chdir, path) : result;
	case 'D':
		return set_attributes(entry, path);
	case 'l':
		if (entry->target == NULL)
			return -EPROTO;
		result = clear_place(path);
		if (result == 0)
			result = SYS(symlinkat, entry->target, AT_FDCWD, path);
		return result == 0 ? set_attributes(entry, path) : result;
	case 'h':
		if (entry->target == NULL || *entry->target == 0 || !stays_below(entry->target))
			return -EPROTO;
		result = clear_place(path);
		return result == 0 ? SYS(linkat, AT_FDCWD, entry->target, AT_FDCWD, path, 0) : result;
	default:
		return -EPROTO;
	}
}

void serve_unpack(int control, struct fields fields)
{
	static char payload[MOST_DATA];
	const char *root = field_of(fields, 'p');
	bool began = false, in_folder = false;
	long result;

	if (root == NULL || *root == 0)
		return send_error(control, -EINVAL, "use the path", "");
	result = make_parents(root);
	if (result < 0)
		return send_error(control, result, "make the folders above", root);
	SYS(umask, 0);
	for (;;) {
		struct header header;
		struct entry entry;
		bool from_host = true;

		result = read_header(control, &header, sizeof(payload));
		if (result == 0)
			result = read_bytes(control, payload, header.length);
		if (result < 0)
			return;
		if (header.type == END)
			break;
		fields = (struct fields){ .at = payload, .end = payload + header.length };
		if (header.type != ENTRY || !good_fields(payload, header.length) || !parse_entry(fields, &entry))
			return send_error(control, -EPROTO, "unpack into", root);
		/* The root comes first, and once; others only below a folder. */
		if (!began) {
			began = *entry.path == 0;
			in_folder = entry.kind == 'd';
			if (!began || (!in_folder && entry.kind != 'f'))
				return send_error(control, -EPROTO, "unpack into", root);
		} else if (!in_folder || (*entry.path == 0 && entry.kind != 'D')) {
			return send_error(control, -EPROTO, "unpack into", root);
		}
		result = unpack(control, &entry, root, &from_host);
		if (result < 0)
			return send_error(control, result, from_host ? "receive" : "write",
					  *entry.path == 0 ? root : entry.path);
	}
	send_done(control);
}

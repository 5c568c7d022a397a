/*
 * Sends a tree to the host.
 */
#include "files.h"
#include "folder.h"
#include "session.h"

/* A file that has several names, and the first of them. */
struct shared {
	u64 device, inode;
	char *path;
	struct shared *next;
};

#define BUCKETS 1024
/* As much memory as names of such files may take; later ones are sent as files of their own. */
#define MOST_NAMES (16 << 20)

struct packing {
	int control;
	/* Where the walk is, below the root. */
	struct text path;
	char *names;
	size_t names_used;
	struct shared *shared[BUCKETS];
};

static struct packing packing;
static char place[PATH_BYTES], target[PATH_BYTES], payload[3 * PATH_BYTES];

static void *take_name(size_t size)
{
	void *taken;

	size = (size + 7) & ~7ul;
	if (packing.names == NULL)
		packing.names = allocate(MOST_NAMES);
	if (packing.names == NULL || packing.names_used + size > MOST_NAMES)
		return NULL;
	taken = packing.names + packing.names_used;
	packing.names_used += size;
	return taken;
}

/* The first name of a file that has several, if this is another of them. Else this becomes the first one. */
static const char *first_name(const struct statx *found)
{
	u64 device = device_of(found);
	struct shared **bucket = &packing.shared[(found->stx_ino ^ device) % BUCKETS], *one;

	for (one = *bucket; one != NULL; one = one->next)
		if (one->inode == found->stx_ino && one->device == device)
			return one->path;
	one = take_name(sizeof(*one) + packing.path.used + 1);
	if (one == NULL)
		return NULL;
	*one = (struct shared){ .device = device, .inode = found->stx_ino, .path = (char *)(one + 1), .next = *bucket };
	memcpy(one->path, finish(&packing.path), packing.path.used + 1);
	*bucket = one;
	return NULL;
}

static long send_entry(u8 type, char kind, const struct statx *found, const char *link)
{
	struct text text = TEXT(payload);

	put_byte(&text, 'k');
	put_byte(&text, kind);
	put_byte(&text, 0);
	put_field(&text, 'p', finish(&packing.path));
	if (found != NULL)
		put_attributes(&text, found);
	if (link != NULL)
		put_field(&text, 'l', link);
	return send_text(packing.control, type, &text);
}

/* Sends that something failed with the current path; the result tells to stop. */
static long failed(long error, const char *what)
{
	send_error(packing.control, error, what, packing.path.used > 0 ? finish(&packing.path) : ".");
	return -ECANCELED;
}

static long pack_file(int fd, const struct statx *found)
{
	bool to_host;
	long result = send_entry(ENTRY, 'f', found, NULL);

	if (result == 0) {
		result = send_data(packing.control, fd, UINT64_MAX, &to_host);
		if (result < 0 && !to_host)
			return failed(result, "read");
	}
	return result;
}

static long pack_folder(struct folder *folder, const struct statx *found, unsigned level);

/* One name in a folder. */
static long pack(int parent, const char *name, unsigned level)
{
	struct statx found;
	struct folder folder;
	const char *link;
	char kind;
	long result = stat_at(parent, name, AT_SYMLINK_NOFOLLOW, &found);

	if (result == -ENOENT)
		return 0; /* It has gone meanwhile. */
	if (result < 0)
		return failed(result, "look at");
	kind = kind_of(found.stx_mode);
	switch (kind) {
	case 'd':
		if (level >= MOST_LEVELS)
			return failed(-ELOOP, "enter the folder");
		result = open_folder(&folder, parent, name);
		if (result < 0)
			return failed(result, "open the folder");
		result = pack_folder(&folder, &found, level);
		close_folder(&folder);
		return result;
	case 'l':
		result = SYS(readlinkat, parent, name, target, sizeof(target) - 1);
		if (result < 0)
			return failed(result, "read the link");
		target[result] = 0;
		if (!is_utf8(target))
			return send_entry(SKIPPED, 'x', NULL, NULL);
		return send_entry(ENTRY, 'l', &found, target);
	case 'f':
		link = found.stx_nlink > 1 ? first_name(&found) : NULL;
		if (link != NULL)
			return send_entry(ENTRY, 'h', NULL, link);
		result = SYS(openat, parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (result < 0)
			return failed(result, "open");
		{
			int fd = (int)result;

			result = pack_file(fd, &found);
			close_file(fd);
		}
		return result;
	default:
		return send_entry(SKIPPED, kind, NULL, NULL);
	}
}

static long pack_folder(struct folder *folder, const struct statx *found, unsigned level)
{
	size_t length = packing.path.used;
	const char *name;
	long result = send_entry(ENTRY, 'd', found, NULL);
	u8 type;

	while (result == 0 && (name = next_name(folder, &type, &result)) != NULL) {
		if (length > 0)
			put(&packing.path, "/");
		put(&packing.path, name);
		if (packing.path.overflow)
			return failed(-ENAMETOOLONG, "name");
		if (is_utf8(name))
			result = pack(folder->fd, name, level + 1);
		else {
			/* The host could not write the name; it is told where it was. */
			packing.path.used = length;
			result = send_entry(SKIPPED, 'x', NULL, NULL);
		}
		packing.path.used = length;
		if (result < 0)
			return result;
	}
	if (result < 0)
		return result == -ECANCELED ? result : failed(result, "read the folder");
	return send_entry(ENTRY, 'D', found, NULL);
}

void serve_pack(int control, struct fields fields)
{
	const char *path = field_of(fields, 'p');
	struct folder folder = { 0 };
	struct statx found;
	char kind;
	long result;

	packing.control = control;
	packing.path = TEXT(place);
	if (path == NULL || *path == 0)
		return send_error(control, -EINVAL, "use the path", "");
	/* The root itself is followed where it is a link. */
	result = stat_at(AT_FDCWD, path, 0, &found);
	if (result < 0)
		return send_error(control, result, "look at", path);
	kind = kind_of(found.stx_mode);
	if (kind != 'd' && kind != 'f')
		return send_error(control, -EINVAL, "copy what is no file and no folder,", path);
	result = open_file(path, kind == 'd' ? O_RDONLY | O_DIRECTORY : O_RDONLY, 0);
	if (result < 0)
		return send_error(control, result, "open", path);
	folder.fd = (int)result;
	result = kind == 'd' ? pack_folder(&folder, &found, 0) : pack_file(folder.fd, &found);
	if (result == 0)
		send_frame(control, END, NULL, 0);
}

#include "folder.h"

/* struct linux_dirent64, getdents64(2). */
struct entry {
	u64 inode;
	s64 offset;
	u16 length;
	u8 type;
	char name[];
};

long open_folder(struct folder *folder, int parent, const char *name)
{
	long fd = SYS(openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	folder->fd = (int)fd;
	folder->used = folder->at = 0;
	return fd < 0 ? fd : 0;
}

const char *next_name(struct folder *folder, u8 *type, long *result)
{
	for (;;) {
		struct entry *entry;

		if (folder->at >= folder->used) {
			*result = SYS(getdents64, folder->fd, folder->buffer, FOLDER_BYTES);
			if (*result <= 0)
				return NULL;
			folder->used = (size_t)*result;
			folder->at = 0;
		}
		entry = (struct entry *)((char *)folder->buffer + folder->at);
		folder->at += entry->length;
		if (equal(entry->name, ".") || equal(entry->name, ".."))
			continue;
		*type = entry->type;
		return entry->name;
	}
}

void close_folder(struct folder *folder)
{
	close_file(folder->fd);
}

u64 device_of(const struct statx *found)
{
	return (u64)found->stx_dev_major << 32 | found->stx_dev_minor;
}

static long remove_below(int parent, const char *name, u64 device, unsigned level, struct text *path)
{
	size_t length = path->used;
	struct folder folder;
	struct statx found;
	long result;

	put(path, name);
	result = stat_at(parent, name, AT_SYMLINK_NOFOLLOW, &found);
	if (result < 0)
		return result;
	if ((found.stx_mode & S_IFMT) == S_IFDIR) {
		const char *below;
		u8 type;

		if (device != device_of(&found))
			return -EXDEV;
		if (level >= MOST_LEVELS)
			return -ELOOP;
		result = open_folder(&folder, parent, name);
		if (result < 0)
			return result;
		put(path, "/");
		while ((below = next_name(&folder, &type, &result)) != NULL) {
			/* Its name is in the buffer that the next call overwrites, and is done with by then. */
			result = remove_below(folder.fd, below, device, level + 1, path);
			if (result < 0)
				break;
		}
		close_folder(&folder);
		if (result < 0)
			return result;
		result = SYS(unlinkat, parent, name, AT_REMOVEDIR);
	} else {
		result = SYS(unlinkat, parent, name, 0);
	}
	if (result == 0)
		path->used = length;
	return result;
}

long remove_tree(int folder, const char *name, u64 device, struct text *path)
{
	struct statx found;
	long result = stat_at(folder, name, AT_SYMLINK_NOFOLLOW, &found);

	if (result < 0) {
		put(path, name);
		return result;
	}
	return remove_below(folder, name, device == ANY_DEVICE ? device_of(&found) : device, 0, path);
}

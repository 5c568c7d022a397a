/*
 * Single files and folders.
 */
#include "files.h"
#include "folder.h"
#include "session.h"

static u8 data[MOST_DATA];

/* The path of a request; NULL, with an answer, where it has none that can be used. */
static const char *path_of(int control, struct fields fields)
{
	const char *path = field_of(fields, 'p');

	if (path != NULL && *path != 0)
		return path;
	send_error(control, -EINVAL, "use the path", "");
	return NULL;
}

char kind_of(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	default:
		return 's';
	}
}

void put_attributes(struct text *text, const struct statx *found)
{
	u64 nanoseconds = found->stx_mtime.tv_nsec;

	put_number_field(text, 'm', found->stx_mode & 07777, 8);
	put_number_field(text, 'o', found->stx_uid, 10);
	put_number_field(text, 'g', found->stx_gid, 10);
	put(text, "t");
	/* Before 1970 it is negative. */
	if (found->stx_mtime.tv_sec < 0)
		put(text, "-");
	put_number(text, (u64)(found->stx_mtime.tv_sec < 0 ? -found->stx_mtime.tv_sec : found->stx_mtime.tv_sec), 10);
	put(text, ".");
	for (u64 digit = 100000000; digit > 0; digit /= 10)
		put_byte(text, (char)('0' + nanoseconds / digit % 10));
	put_byte(text, 0);
}

bool is_utf8(const char *name)
{
	const u8 *at = (const u8 *)name;

	while (*at != 0) {
		u32 code = *at++;
		int more = code < 0x80 ? 0 : code >= 0xc2 && code < 0xe0 ? 1 : code >= 0xe0 && code < 0xf0 ? 2 :
			   code >= 0xf0 && code < 0xf5 ? 3 : -1;
		static const u32 least[] = { 0, 0x80, 0x800, 0x10000 };

		if (more < 0)
			return false;
		if (more > 0)
			code &= 0x3fu >> more;
		for (int i = 0; i < more; i++) {
			if ((*at & 0xc0) != 0x80)
				return false;
			code = code << 6 | (*at++ & 0x3f);
		}
		if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
	}
	return true;
}

long receive_data(int control, int fd, bool *from_host)
{
	for (;;) {
		struct header header;
		long result = read_header(control, &header, MOST_DATA);

		*from_host = true;
		if (result < 0)
			return result;
		if (header.type == END)
			return 0;
		if (header.type != DATA)
			return -EPROTO;
		result = read_bytes(control, data, header.length);
		if (result < 0)
			return result;
		*from_host = false;
		if (fd >= 0)
			result = write_all(fd, data, header.length);
		if (result < 0)
			return result;
	}
}

long send_data(int control, int fd, u64 most, bool *to_host)
{
	while (most > 0) {
		long result = SYS(read, fd, data, MIN(most, sizeof(data)));

		*to_host = false;
		if (result == -EINTR)
			continue;
		if (result < 0)
			return result;
		if (result == 0)
			break;
		most -= (u64)result;
		*to_host = true;
		result = send_frame(control, DATA, data, (size_t)result);
		if (result < 0)
			return result;
	}
	*to_host = true;
	return send_frame(control, END, NULL, 0);
}

void serve_read(int control, struct fields fields)
{
	const char *path = path_of(control, fields), *text;
	u64 offset = 0, most = UINT64_MAX;
	bool to_host;
	long fd, result;

	if (path == NULL)
		return;
	if ((text = field_of(fields, 'o')) != NULL && !parse_decimal(text, &offset))
		return send_error(control, -EINVAL, "read", path);
	if ((text = field_of(fields, 'l')) != NULL && !parse_decimal(text, &most))
		return send_error(control, -EINVAL, "read", path);
	fd = open_file(path, O_RDONLY, 0);
	if (fd < 0)
		return send_error(control, fd, "open", path);
	result = offset == 0 ? 0 : SYS(lseek, fd, offset, 0);
	if (result < 0)
		return send_error(control, result, "read", path);
	result = send_data(control, (int)fd, most, &to_host);
	if (result < 0 && !to_host)
		send_error(control, result, "read", path);
}

void serve_write(int control, struct fields fields)
{
	const char *path = path_of(control, fields), *how = field_of(fields, 'f'), *text = field_of(fields, 'm');
	int flags = O_WRONLY;
	u64 mode = 0644;
	bool from_host;
	long fd, result;

	if (path == NULL)
		return;
	for (; how != NULL && *how != 0; how++)
		flags |= *how == 'c' ? O_CREAT : *how == 't' ? O_TRUNC : *how == 'a' ? O_APPEND :
			 *how == 'x' ? O_CREAT | O_EXCL : 0;
	if (text != NULL && (!parse_octal(text, &mode) || mode > 07777))
		return send_error(control, -EINVAL, "set the mode of", path);
	fd = open_file(path, flags, (unsigned)mode);
	if (fd < 0)
		return send_error(control, fd, "open", path);
	result = text == NULL ? 0 : SYS(fchmod, fd, mode);
	if (result < 0)
		return send_error(control, result, "set the mode of", path);
	result = receive_data(control, (int)fd, &from_host);
	if (result == 0) {
		/* Some file systems tell of a failed write only now. */
		result = SYS(close, fd);
		from_host = false;
	}
	if (result == 0)
		send_done(control);
	else
		send_error(control, result, from_host ? "receive" : "write", path);
}

void serve_stat(int control, struct fields fields)
{
	const char *path = path_of(control, fields);
	int flags = field_of(fields, 'n') == NULL ? 0 : AT_SYMLINK_NOFOLLOW;
	char payload[2 * PATH_BYTES], target[PATH_BYTES];
	struct text text = TEXT(payload);
	struct statx found;
	long result;

	if (path == NULL)
		return;
	result = stat_at(AT_FDCWD, path, flags, &found);
	if (result < 0)
		return send_error(control, result, "look at", path);
	put_byte(&text, 'k');
	put_byte(&text, kind_of(found.stx_mode));
	put_byte(&text, 0);
	put_attributes(&text, &found);
	put_number_field(&text, 's', found.stx_size, 10);
	put_number_field(&text, 'i', found.stx_nlink, 10);
	if ((found.stx_mode & S_IFMT) == S_IFLNK) {
		result = SYS(readlinkat, AT_FDCWD, path, target, sizeof(target) - 1);
		if (result < 0)
			return send_error(control, result, "read the link", path);
		target[result] = 0;
		put_field(&text, 'l', target);
	}
	send_text(control, DONE, &text);
}

void serve_make_folder(int control, struct fields fields)
{
	const char *path = path_of(control, fields), *text = field_of(fields, 'm');
	u64 mode = 0755;
	long result;

	if (path == NULL)
		return;
	if (text != NULL && (!parse_octal(text, &mode) || mode > 07777))
		return send_error(control, -EINVAL, "make the folder", path);
	if (field_of(fields, 'r') != NULL)
		result = make_folders(path, (unsigned)mode);
	else
		result = SYS(mkdirat, AT_FDCWD, path, mode);
	if (result < 0)
		return send_error(control, result, "make the folder", path);
	send_done(control);
}

void serve_remove(int control, struct fields fields)
{
	static char place[PATH_BYTES];
	const char *path = path_of(control, fields);
	struct text text = TEXT(place);
	long result;

	if (path == NULL)
		return;
	if (field_of(fields, 'r') != NULL) {
		result = remove_tree(AT_FDCWD, path, ANY_DEVICE, &text);
		if (result < 0)
			return send_error(control, result, "remove", finish(&text));
	} else {
		result = SYS(unlinkat, AT_FDCWD, path, 0);
		if (result == -EISDIR)
			result = SYS(unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
		if (result < 0)
			return send_error(control, result, "remove", path);
	}
	send_done(control);
}

void serve_list(int control, struct fields fields)
{
	const char *path = path_of(control, fields), *name;
	struct folder folder = { 0 };
	long result;
	u8 type;

	if (path == NULL)
		return;
	/* Through a link, other than those in a walk. */
	result = open_file(path, O_RDONLY | O_DIRECTORY, 0);
	if (result < 0)
		return send_error(control, result, "open the folder", path);
	folder.fd = (int)result;
	while ((name = next_name(&folder, &type, &result)) != NULL) {
		char payload[PATH_BYTES];
		struct text text = TEXT(payload);
		struct statx found;

		if (stat_at(folder.fd, name, AT_SYMLINK_NOFOLLOW, &found) < 0)
			continue; /* It has gone meanwhile. */
		put_byte(&text, 'k');
		put_byte(&text, is_utf8(name) ? kind_of(found.stx_mode) : 'x');
		put_byte(&text, 0);
		put_field(&text, 'p', is_utf8(name) ? name : "");
		if (send_text(control, ENTRY, &text) < 0)
			return;
	}
	if (result < 0)
		return send_error(control, result, "read the folder", path);
	send_frame(control, END, NULL, 0);
}

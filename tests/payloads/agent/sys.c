#include "sys.h"
#include "arch_x86_64.h"

#include <stdarg.h>

#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/time.h>

#define CONSOLE_LINE 512

long system_call(long number, long a, long b, long c, long d, long e, long f)
{
	return syscall6(number, a, b, c, d, e, f);
}

/* ---- memory and texts */

void *memcpy(void *to, const void *from, size_t count)
{
	u8 *t = to;
	const u8 *f = from;

	while (count-- > 0)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t count)
{
	u8 *t = to;
	const u8 *f = from;

	if (t <= f)
		return memcpy(to, from, count);
	while (count-- > 0)
		t[count] = f[count];
	return to;
}

void *memset(void *to, int value, size_t count)
{
	u8 *t = to;

	while (count-- > 0)
		*t++ = (u8)value;
	return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
	const u8 *x = a, *y = b;

	for (; count > 0; count--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length] != 0)
		length++;
	return length;
}

bool equal(const char *a, const char *b)
{
	while (*a != 0 && *a == *b)
		a++, b++;
	return *a == *b;
}

bool starts_with(const char *text, const char *with)
{
	while (*with != 0)
		if (*text++ != *with++)
			return false;
	return true;
}

char *find(const char *text, char byte)
{
	for (; *text != 0; text++)
		if (*text == byte)
			return (char *)text;
	return NULL;
}

static bool parse(const char *text, unsigned base, u64 *value)
{
	u64 sum = 0;

	if (*text == 0)
		return false;
	for (; *text != 0; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit >= base || sum > (UINT64_MAX - digit) / base)
			return false;
		sum = sum * base + digit;
	}
	*value = sum;
	return true;
}

bool parse_decimal(const char *text, u64 *value)
{
	return parse(text, 10, value);
}

bool parse_octal(const char *text, u64 *value)
{
	return parse(text, 8, value);
}

void *allocate(size_t bytes)
{
	long result = SYS(mmap, 0, bytes == 0 ? 1 : bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result < 0 && result > -PATH_BYTES ? NULL : (void *)result;
}

void put_bytes(struct text *text, const void *bytes, size_t count)
{
	size_t room = text->size - 1 - text->used;

	if (count > room) {
		text->overflow = true;
		count = room;
	}
	memcpy(text->start + text->used, bytes, count);
	text->used += count;
}

void put(struct text *text, const char *piece)
{
	put_bytes(text, piece, strlen(piece));
}

void put_byte(struct text *text, char byte)
{
	put_bytes(text, &byte, 1);
}

void put_number(struct text *text, u64 value, unsigned base)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % base);
	while ((value /= base) > 0);
	put_bytes(text, digits + at, sizeof(digits) - at);
}

char *finish(struct text *text)
{
	text->start[text->used] = 0;
	return text->start;
}

/* ---- errors */

/* By number, from asm-generic/errno-base.h and asm-generic/errno.h; where there is none, an empty name. */
static const char NAMES[] =
	"\0EPERM\0ENOENT\0ESRCH\0EINTR\0EIO\0ENXIO\0E2BIG\0ENOEXEC\0EBADF\0ECHILD\0EAGAIN\0ENOMEM\0EACCES\0EFAULT\0"
	"ENOTBLK\0EBUSY\0EEXIST\0EXDEV\0ENODEV\0ENOTDIR\0EISDIR\0EINVAL\0ENFILE\0EMFILE\0ENOTTY\0ETXTBSY\0EFBIG\0"
	"ENOSPC\0ESPIPE\0EROFS\0EMLINK\0EPIPE\0EDOM\0ERANGE\0EDEADLK\0ENAMETOOLONG\0ENOLCK\0ENOSYS\0ENOTEMPTY\0ELOOP\0"
	"\0ENOMSG\0EIDRM\0ECHRNG\0EL2NSYNC\0EL3HLT\0EL3RST\0ELNRNG\0EUNATCH\0ENOCSI\0EL2HLT\0EBADE\0EBADR\0EXFULL\0"
	"ENOANO\0EBADRQC\0EBADSLT\0\0EBFONT\0ENOSTR\0ENODATA\0ETIME\0ENOSR\0ENONET\0ENOPKG\0EREMOTE\0ENOLINK\0EADV\0"
	"ESRMNT\0ECOMM\0EPROTO\0EMULTIHOP\0EDOTDOT\0EBADMSG\0EOVERFLOW\0ENOTUNIQ\0EBADFD\0EREMCHG\0ELIBACC\0ELIBBAD\0"
	"ELIBSCN\0ELIBMAX\0ELIBEXEC\0EILSEQ\0ERESTART\0ESTRPIPE\0EUSERS\0ENOTSOCK\0EDESTADDRREQ\0EMSGSIZE\0EPROTOTYPE\0"
	"ENOPROTOOPT\0EPROTONOSUPPORT\0ESOCKTNOSUPPORT\0EOPNOTSUPP\0EPFNOSUPPORT\0EAFNOSUPPORT\0EADDRINUSE\0"
	"EADDRNOTAVAIL\0ENETDOWN\0ENETUNREACH\0ENETRESET\0ECONNABORTED\0ECONNRESET\0ENOBUFS\0EISCONN\0ENOTCONN\0"
	"ESHUTDOWN\0ETOOMANYREFS\0ETIMEDOUT\0ECONNREFUSED\0EHOSTDOWN\0EHOSTUNREACH\0EALREADY\0EINPROGRESS\0ESTALE\0"
	"EUCLEAN\0ENOTNAM\0ENAVAIL\0EISNAM\0EREMOTEIO\0EDQUOT\0ENOMEDIUM\0EMEDIUMTYPE\0ECANCELED\0ENOKEY\0EKEYEXPIRED\0"
	"EKEYREVOKED\0EKEYREJECTED\0EOWNERDEAD\0ENOTRECOVERABLE\0ERFKILL\0EHWPOISON";

const char *errno_name(long error)
{
	static char number[24];
	struct text text = TEXT(number);
	const char *name = NAMES, *end = NAMES + sizeof(NAMES);

	if (error < 0)
		error = -error;
	for (long at = 0; at < error && name < end; at++)
		name += strlen(name) + 1;
	if (name < end && *name != 0)
		return name;
	put(&text, "E");
	put_number(&text, (u64)error, 10);
	return finish(&text);
}

void say(const char *piece, ...)
{
	char line[CONSOLE_LINE];
	struct text text = { .start = line, .size = sizeof(line) - 1 };
	va_list pieces;

	put(&text, "denovisor: ");
	va_start(pieces, piece);
	for (; piece != NULL; piece = va_arg(pieces, const char *))
		put(&text, piece);
	va_end(pieces);
	text.size++;
	put(&text, "\n");
	write_all(2, line, text.used);
}

/* ---- files */

long open_file(const char *path, int flags, unsigned mode)
{
	return SYS(openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, mode);
}

void close_file(int fd)
{
	SYS(close, fd);
}

long write_all(int fd, const void *bytes, size_t count)
{
	const u8 *at = bytes;

	while (count > 0) {
		long result = SYS(write, fd, at, count);

		if (result == -EINTR)
			continue;
		if (result < 0)
			return result;
		at += result;
		count -= (size_t)result;
	}
	return 0;
}

char *read_file(const char *path, size_t most, long *result)
{
	char *bytes = allocate(most + 1);
	size_t used = 0;
	long fd = open_file(path, O_RDONLY, 0);

	*result = bytes == NULL ? -ENOMEM : fd;
	if (*result < 0)
		return NULL;
	for (;;) {
		long count = SYS(read, fd, bytes + used, most + 1 - used);

		if (count == -EINTR)
			continue;
		if (count > 0 && used + (size_t)count > most)
			count = -EFBIG;
		if (count <= 0) {
			*result = count < 0 ? count : (long)used;
			break;
		}
		used += (size_t)count;
	}
	close_file((int)fd);
	if (*result < 0)
		return NULL;
	bytes[used] = 0;
	return bytes;
}

static bool is_folder(const char *path)
{
	struct statx found;

	return stat_at(AT_FDCWD, path, 0, &found) == 0 && (found.stx_mode & S_IFMT) == S_IFDIR;
}

long make_folders(const char *path, unsigned mode)
{
	long result = make_parents(path);

	if (result < 0)
		return result;
	result = SYS(mkdirat, AT_FDCWD, path, mode);
	if (result == -EEXIST || result == -EROFS)
		return is_folder(path) ? 0 : result;
	return result;
}

long make_parents(const char *path)
{
	char copy[PATH_BYTES];
	size_t length = strlen(path);

	if (length >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, length + 1);
	for (size_t at = 1; at < length; at++) {
		long result;

		if (copy[at] != '/' || copy[at + 1] == 0)
			continue;
		copy[at] = 0;
		result = SYS(mkdirat, AT_FDCWD, copy, 0755);
		if (result < 0 && !is_folder(copy))
			return result;
		copy[at] = '/';
	}
	return 0;
}

long stat_at(int folder, const char *path, int flags, struct statx *into)
{
	return SYS(statx, folder, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, into);
}

/* ---- processes */

long fork_process(void)
{
	return SYS(clone, SIGCHLD, 0, 0, 0, 0);
}

void leave(int status)
{
	for (;;)
		SYS(exit_group, status);
}

void sleep_ms(unsigned milliseconds)
{
	struct span time = { milliseconds / 1000, milliseconds % 1000 * 1000000l };

	SYS(nanosleep, &time, 0);
}

s64 now_ms(void)
{
	struct span time;

	SYS(clock_gettime, CLOCK_MONOTONIC, &time);
	return time.seconds * 1000 + time.nanoseconds / 1000000;
}

/* The kernel's own layout; SA_RESTORER is needed by handlers alone, of which there are none. */
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	u64 mask;
};

static void set_action(int number, void *handler)
{
	struct action action = { .handler = handler };

	SYS(rt_sigaction, number, &action, 0, sizeof(action.mask));
}

void block_signals(u64 mask)
{
	SYS(rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof(mask));
}

void default_signal(int number)
{
	set_action(number, (void *)SIG_DFL);
}

void ignore_signal(int number)
{
	set_action(number, (void *)SIG_IGN);
}

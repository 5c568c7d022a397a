/*
 * What every file of the agent stands on: system calls, texts, memory, errors.
 *
 * There is no C library. A system call's result is what the kernel gives: a negative errno for a failure. Only calls
 * that every architecture has are used (openat and not open), so that what is special to one is in its own header.
 */
#ifndef SYS_H
#define SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

/* In arch_*.h, which only sys.c has; a call costs little beside what the kernel does. */
long system_call(long number, long a, long b, long c, long d, long e, long f);

#define SYS(name, ...) SYS_PADDED(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_PADDED(n, a, b, c, d, e, f, ...) \
	system_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* recv(2) and send(2); from the kernel's include/linux/socket.h, which is not for user space. */
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000

#define PATH_BYTES 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

struct span {
	s64 seconds;
	s64 nanoseconds;
};

/* ---- memory and texts */

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);
bool equal(const char *a, const char *b);
bool starts_with(const char *text, const char *with);
/* The first such byte; NULL where there is none. */
char *find(const char *text, char byte);
/* Whether all of a text is a decimal number that fits; digits in another base for `parse_octal`. */
bool parse_decimal(const char *text, u64 *value);
bool parse_octal(const char *text, u64 *value);

/* Zeroed memory that stays until the process ends; NULL without memory. */
void *allocate(size_t bytes);

/* A text that is built piece by piece. What has no room is left out, and `overflow` tells. */
struct text {
	char *start;
	size_t size, used;
	bool overflow;
};
#define TEXT(array) ((struct text){ .start = (array), .size = sizeof(array) })
void put_bytes(struct text *text, const void *bytes, size_t count);
void put(struct text *text, const char *piece);
void put_byte(struct text *text, char byte);
void put_number(struct text *text, u64 value, unsigned base);
/* Ends it with a NUL, which there is always room for. */
char *finish(struct text *text);

/* ---- errors */

/* `ENOENT` for 2, and so on; `E` and the number for one without a name. Valid until the next call. */
const char *errno_name(long error);
/* A line on the console, or on standard error: pieces up to NULL. */
void say(const char *piece, ...);

/* ---- files */

long open_file(const char *path, int flags, unsigned mode);
void close_file(int fd);
/* Writes all of it. 0, or a negative errno. */
long write_all(int fd, const void *bytes, size_t count);
/*
 * Reads a whole file of at most so many bytes, and puts a NUL behind it. NULL with a negative errno in `result`, or
 * with the length.
 */
char *read_file(const char *path, size_t most, long *result);
/* Makes a folder and those above it that lack. 0, or a negative errno. */
long make_folders(const char *path, unsigned mode);
/* The same for those above a path alone. */
long make_parents(const char *path);
long stat_at(int folder, const char *path, int flags, struct statx *into);

/* ---- processes */

long fork_process(void);
void leave(int status) __attribute__((noreturn));
void sleep_ms(unsigned milliseconds);
/* Milliseconds of a clock that only goes forward. */
s64 now_ms(void);

#define SIGNALS 64
#define SIGNAL_BIT(number) (1ull << ((number) - 1))
/* Sets what is blocked. */
void block_signals(u64 mask);
/* Has a signal do what it does by itself, or nothing. */
void default_signal(int number);
void ignore_signal(int number);

#endif

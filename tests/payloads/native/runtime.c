#include "runtime.h"

/* 16550: where its transmitter is empty, as many bytes fit as its FIFO has. */
enum { COM1_DATA = 0x3f8, COM1_FCR = 0x3fa, COM1_LSR = 0x3fd, LSR_THRE = 0x20 };
enum { FCR_ENABLE = 1, FIFO_SIZE = 16 };

/* hvm_start_info (Xen, public/arch-x86/hvm/start_info.h), where the monitor has put it. */
extern const u8 *start_info;
enum { START_INFO_CMDLINE = 24 };

static void transmit(const char *text, size_t count)
{
	static bool has_fifo;
	if (!has_fifo)
		out8(COM1_FCR, FCR_ENABLE);
	has_fifo = true;
	while (!(in8(COM1_LSR) & LSR_THRE))
		relax();
	__asm__ volatile("rep outsb" : "+S"(text), "+c"(count) : "d"(COM1_DATA) : "memory");
}

static void print_char(char c)
{
	transmit(&c, 1);
}

void print(const char *text)
{
	while (*text) {
		size_t count = 0;
		while (count < FIFO_SIZE && text[count])
			count++;
		transmit(text, count);
		text += count;
	}
}

void print_decimal(u64 value)
{
	char digits[24];
	char *at = digits + sizeof digits;
	*--at = 0;
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	print(at);
}

void print_number(const char *name, u64 value)
{
	print(name);
	print("=");
	print_decimal(value);
	print("\n");
}

void print_rate(const char *name, u64 count, u64 ticks)
{
	print(name);
	print("=");
	print_decimal(count);
	print("/");
	print_decimal(ticks);
	print("\n");
}

void print_bytes(const char *name, const void *bytes, size_t count)
{
	static const char DIGITS[] = "0123456789abcdef";
	print(name);
	print("=");
	for (size_t i = 0; i < count; i++) {
		u8 byte = ((const u8 *)bytes)[i];
		print_char(DIGITS[byte >> 4]);
		print_char(DIGITS[byte & 15]);
	}
	print("\n");
}

void fail(const char *what, int status)
{
	print("failed: ");
	print(what);
	print("\n");
	end(status);
}

const char *parameter(const char *name)
{
	const char *at = *(const char *const *)(start_info + START_INFO_CMDLINE);
	if (at == NULL)
		return NULL;
	while (*at) {
		const char *n = name;
		while (*n && *at == *n) {
			at++;
			n++;
		}
		if (!*n && *at == '=')
			return at + 1;
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return NULL;
}

u64 parse_number(const char **text)
{
	const char *at = *text;
	u64 base = 10;
	u64 value = 0;
	if (at[0] == '0' && at[1] == 'x') {
		base = 16;
		at += 2;
	}
	for (;; at++) {
		u64 digit;
		if (*at >= '0' && *at <= '9')
			digit = (u64)(*at - '0');
		else if (*at >= 'a' && *at <= 'f' && base == 16)
			digit = (u64)(*at - 'a' + 10);
		else
			break;
		value = value * base + digit;
	}
	*text = at;
	return value;
}

u64 number_parameter(const char *name, u64 fallback)
{
	const char *text = parameter(name);
	return text == NULL ? fallback : parse_number(&text);
}

/* A linear congruential generator (Numerical Recipes), of which the upper bits are the good ones. */
u32 random32(void)
{
	static u64 state = 1;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (u32)(state >> 32);
}

void *memcpy(void *to, const void *from, size_t count)
{
	void *result = to;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	return result;
}

void *memset(void *to, int value, size_t count)
{
	void *result = to;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
	return result;
}

int memcmp(const void *a, const void *b, size_t count)
{
	const u8 *x = a;
	const u8 *y = b;
	for (size_t i = 0; i < count; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

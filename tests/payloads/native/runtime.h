/*
 * What the programs of this folder stand on: numbers, ports, the console, the command line, the clock, the end.
 *
 * A program tells its outcome as the payloads in assembly do: by the status it ends with, and by what it prints on
 * the first serial port. Statuses from 1 to 99 are failed checks; the line says which. A program that did what it
 * is there for ends with 0.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* Each program has one. Its result is the status. */
int main(void);

/* Ends the machine. Of the status, 8 bits arrive. */
void end(int status) __attribute__((noreturn));

/* Halts the processor with interrupts off, for ever. */
void rest(void) __attribute__((noreturn));

/* Waits, halted, for an interrupt of the first serial port. One that came before ends it at once. */
void wait_for_serial(void);

void print(const char *text);
void print_decimal(u64 value);
/* `NAME=VALUE` and a new line: in decimal, or each byte in hexadecimal. */
void print_number(const char *name, u64 value);
void print_bytes(const char *name, const void *bytes, size_t count);
/* `NAME=COUNT/TICKS` and a new line: how often something was done in so many ticks of the clock. */
void print_rate(const char *name, u64 count, u64 ticks);

/* Ends the machine with a status from 1 to 99 and a line that names it, unless the condition holds. */
#define check(condition, status) \
	do { \
		if (!(condition)) \
			fail(#condition, status); \
	} while (0)
void fail(const char *what, int status) __attribute__((noreturn));

/* The text behind `NAME=` on the command line, up to a space; NULL where there is none. */
const char *parameter(const char *name);
/* The number there, decimal or 0x...; `fallback` where there is none. */
u64 number_parameter(const char *name, u64 fallback);
/* Reads a number and leaves `*text` behind it. */
u64 parse_number(const char **text);

/* A pseudo-random number; the same ones in each run. */
u32 random32(void);

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

static inline u64 ticks(void)
{
	u32 low, high;
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 in8(u16 port)
{
	u8 value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u32 in32(u16 port)
{
	u32 value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* Device registers. One plain MOV each, which is what instruction emulators do best. */
#define DEFINE_ACCESS(bits) \
	static inline u##bits read##bits(uintptr_t address) \
	{ \
		u##bits value; \
		__asm__ volatile("mov %1, %0" : "=r"(value) : "m"(*(volatile u##bits *)address) : "memory"); \
		return value; \
	} \
	static inline void write##bits(uintptr_t address, u##bits value) \
	{ \
		__asm__ volatile("mov %1, %0" : "=m"(*(volatile u##bits *)address) : "r"(value) : "memory"); \
	}
DEFINE_ACCESS(8)
DEFINE_ACCESS(16)
DEFINE_ACCESS(32)
#undef DEFINE_ACCESS

#endif

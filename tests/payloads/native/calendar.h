/* The time of day, by the real-time clock. */
#ifndef CALENDAR_H
#define CALENDAR_H

#include "runtime.h"

struct moment {
	u32 year, month, day, hour, minute, second;
};

/* What the clock shows now. */
struct moment read_clock(void);

/* Seconds since 1970-01-01, of a moment in 1970 or after. */
u64 seconds_of(const struct moment *moment);

#endif

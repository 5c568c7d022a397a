/*
 * Counts how long things took, in memory that the host reads while the program runs: nothing is told by an exit.
 *
 * Where the histograms are is printed as `histograms=ADDRESS`. A time of t ticks is in the bucket whose number has t's
 * exponent above and the six bits behind its first one below: no bucket is wider than a 64th of its times. The host's
 * side is bench/soak/histogram.ts.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include "runtime.h"

enum { SUB_BITS = 6, SUB = 1 << SUB_BITS, EXPONENTS = 40, BUCKETS = EXPONENTS * SUB };

struct histogram {
	u64 counts[BUCKETS];
};

static inline void count_time(struct histogram *histogram, u64 time)
{
	u32 exponent = 0;
	if (time >= SUB)
		exponent = 63 - (u32)__builtin_clzll(time) - SUB_BITS + 1;
	u64 below = exponent == 0 ? time : (time >> (exponent - 1)) - SUB;
	u64 bucket = (u64)exponent * SUB + below;
	histogram->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

#endif
